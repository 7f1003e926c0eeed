"""Who calls: credentials become a caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sidegate.model.callers.caller import Caller
from sidegate.model.callers.credentials import Credentials


class Authenticator(Protocol):
    """Finds the caller that credentials belong to."""

    async def authenticate(self, credentials: Credentials) -> Caller:
        """Return the caller.

        Raises:
            Unauthenticated: there are no credentials, or they are not valid, or belong to no caller or to several.
            Unavailable: they can't be checked now, such as while an issuer's keys can't be read.
        """


@dataclass(frozen=True, slots=True)
class TokenLease:
    """How long a verified token may be remembered.

    `issuer` is the issuer's name in the caller file. `expires` is a Unix time. `keys` identifies the set of the
    issuer's keys that the token was verified with.
    """

    issuer: str
    expires: float
    keys: int


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token says whose signature, issuer, audience and times are right."""

    claims: Mapping[str, Any]
    lease: TokenLease


class TokenVerifier(Protocol):
    """Verifies tokens that issuers have signed."""

    async def verify(self, token: str) -> VerifiedToken:
        """Return what a token says.

        Raises:
            Unauthenticated: it is not valid.
            Unavailable: the issuer's keys can't be read.
        """

    def is_valid(self, lease: TokenLease) -> bool:
        """Return whether a remembered token is still valid: it has not expired, and no key was removed since."""
