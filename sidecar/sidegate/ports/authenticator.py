"""Who calls: credentials become a caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sidegate.model.caller import Caller
from sidegate.model.credentials import Credentials


class Authenticator(Protocol):
    """Finds the caller that credentials belong to."""

    async def authenticate(self, credentials: Credentials) -> Caller:
        """Return the caller.

        Raises:
            Unauthenticated: there are no credentials, or they are not valid, or belong to no caller or to several.
            Unavailable: they can't be checked now, such as while an issuer's keys can't be read.
        """


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token whose signature, issuer, audience and times are right.

    `issuer` is the issuer's name in the caller file. `expires` is a Unix time. `keys` identifies the set of keys that
    the token was verified with.
    """

    issuer: str
    claims: Mapping[str, Any]
    expires: float
    keys: int


class TokenVerifier(Protocol):
    """Verifies tokens that issuers have signed."""

    async def verify(self, token: str) -> VerifiedToken:
        """Return what a token says.

        Raises:
            Unauthenticated: it is not valid.
            Unavailable: the issuer's keys can't be read.
        """

    def is_valid(self, token: VerifiedToken) -> bool:
        """Return whether a token that was verified before is still valid: it is not expired, and its key is known."""
