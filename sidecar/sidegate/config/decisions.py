"""By which rules to decide, and with which engine."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, DirectoryPath

from sidegate.config.field import setting


class DecisionSettings(BaseModel):
    """By which rules to decide, and with which engine."""

    policies: DirectoryPath | None = setting(
        None, "The directory of the policy packs. Unset: the packs that come with Sidegate.", expected="a directory"
    )
    default_pack: str = setting(
        "standard",
        "The pack of every tenant that names none.",
        expected="the name of a pack, such as `standard`",
        pattern=r"^[a-z][a-z0-9_-]*$",
    )
    returning_roles: Literal["end", "restore"] = setting(
        "end",
        "Grants of a role that a pack drops and later declares again: `end` removes them, `restore` lets them count.",
        expected="`end` or `restore`",
    )
    engine: Literal["indexed", "reference"] = setting(
        "indexed", "The engine that evaluates the rules.", expected="`indexed` or `reference`"
    )
