"""What invitations accept."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel

from sidegate.config.field import setting
from sidegate.model.identifiers import ACCOUNT_ID


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError("a regular expression") from error
    return pattern


class InvitationSettings(BaseModel):
    """What invitations accept."""

    account_id_pattern: Annotated[str, AfterValidator(_compiles)] = setting(
        ACCOUNT_ID,
        "The regular expression that a whole account ID matches where somebody is invited by it. The default allows "
        "no blanks, `@`, `*`, `;` or `,`, and asks for a letter.",
        expected="a regular expression of Python",
    )
