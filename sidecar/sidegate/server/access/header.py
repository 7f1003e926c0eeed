"""The key or token of the header `authorization`, whatever transport carries it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sidegate.model.callers.credentials import Credentials

_SCHEME: Final = "bearer "
_MAX_LENGTH: Final = 16 * 1024
_WRONG: Final = "expected one header `authorization: Bearer` and a key or token"


def header_credentials(given: Sequence[str], *, peer: str) -> Credentials:
    """Return the credentials of the headers `authorization`, of which there is at least one."""
    value = given[0]
    fits = len(given) == 1 and len(value) <= _MAX_LENGTH and value[: len(_SCHEME)].lower() == _SCHEME
    bearer = value[len(_SCHEME) :].strip() if fits else ""
    return Credentials(bearer, malformed="" if bearer else _WRONG, peer=peer)
