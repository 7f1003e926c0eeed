"""Verifies JSON Web Tokens with the public keys of their issuers."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, Final

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from sidegate.errors import Unauthenticated
from sidegate.model.callers.token_issuer import TokenIssuer
from sidegate.ports.authenticator import TokenLease, VerifiedToken
from sidegate_adapters.oidc.key_sets import REFRESH, KeySet

LEEWAY: Final = 10.0
"""Seconds that an issuer's clock may be ahead: for `nbf` and `iat`, never for `exp`."""
_REQUIRED: Final = ("exp", "iss", "aud", "sub")
_TEXTS: Final[Mapping[type[PyJWTError], str]] = {
    ExpiredSignatureError: "the token has expired",
    ImmatureSignatureError: "the token is not valid yet",
    InvalidAudienceError: "the token is for another audience",
    InvalidSignatureError: "the token's signature is not right",
}


class JwtVerifier:
    """A `TokenVerifier` for the tokens of several issuers."""

    def __init__(
        self,
        issuers: Iterable[TokenIssuer],
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        failed: Callable[[str, str], None] = lambda _issuer, _problem: None,
        previous: JwtVerifier | None = None,
    ) -> None:
        """Read no keys yet; `failed` receives the name of an issuer and why its keys can't be read.

        `now` is the time of day, which tokens are compared with; `clock` measures the age of keys. The keys of issuers
        that `previous` has, too, are taken from there: an issuer that does not answer now is not lost by a reload.
        """
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        known = {} if previous is None else previous._keys_by_issuer()  # noqa: SLF001 - the same class
        self._keys = {
            issuer.name: known.get(issuer) or KeySet(issuer, clock=clock) for issuer in self._issuers.values()
        }
        self._now = now
        self._failed = failed

    def __repr__(self) -> str:
        return f"JwtVerifier({[*self._keys.values()]!r})"

    def _keys_by_issuer(self) -> Mapping[TokenIssuer, KeySet]:
        return {issuer: self._keys[issuer.name] for issuer in self._issuers.values()}

    async def run(self) -> None:
        """Read all keys now, and again every `REFRESH` seconds, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH)

    async def refresh(self) -> None:
        """Read the keys of all issuers now, side by side."""
        read = await asyncio.gather(*(keys.refresh() for keys in self._keys.values()))
        for (name, keys), succeeded in zip(self._keys.items(), read, strict=True):
            if not succeeded:
                self._failed(name, keys.problem)

    def is_valid(self, lease: TokenLease) -> bool:
        """Return whether a remembered token is still valid: it has not expired, and no key was removed since."""
        keys = self._keys[lease.issuer]
        return self._now() < lease.expires and lease.keys == keys.version and keys.is_current()

    async def verify(self, token: str) -> VerifiedToken:
        """Return what a token says.

        Raises:
            Unauthenticated: it is not valid.
            IssuerUnavailable: the keys of its issuer can't be read.
        """
        header, claimed = _unverified(token)
        issuer = self._issuers.get(claimed) if isinstance(claimed, str) else None
        if issuer is None:
            raise Unauthenticated("the token is of no known issuer")
        algorithm = header.get("alg")
        if algorithm not in issuer.algorithms or "crit" in header:
            raise Unauthenticated("the token is not signed with an algorithm of its issuer")
        key_id = header.get("kid")
        if not isinstance(key_id, str | None):
            raise Unauthenticated("the token is not signed with a key of its issuer")
        keys = self._keys[issuer.name]
        key = await keys.find(key_id, algorithm)
        version = keys.version
        claims = _verified(token, key.key, algorithm, issuer)
        expires = claims["exp"]
        # The library takes texts and booleans for numbers, and has one leeway for all times.
        if isinstance(expires, bool) or not isinstance(expires, int | float) or not isfinite(expires):
            raise Unauthenticated("the token's claim `exp` is no time")
        if expires <= self._now():
            raise Unauthenticated(_TEXTS[ExpiredSignatureError])
        return VerifiedToken(claims, TokenLease(issuer.name, float(expires), version))


def _verified(token: str, key: jwt.PyJWK, algorithm: str, issuer: TokenIssuer) -> dict[str, Any]:
    """Return the claims of a token whose signature, issuer, audience and times are right.

    Raises:
        Unauthenticated: one is not.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key=key,
            algorithms=[algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=LEEWAY,
            options={"require": [*_REQUIRED]},
        )
    except MissingRequiredClaimError as error:
        raise Unauthenticated(f"the token lacks the claim `{error.claim}`") from None
    except (PyJWTError, ValueError, TypeError, OverflowError) as error:
        # Neither chained nor quoted: the library's texts can hold parts of the token.
        text = next((text for kind, text in _TEXTS.items() if isinstance(error, kind)), "the token is not valid")
        raise Unauthenticated(text) from None
    return claims


def _unverified(token: str) -> tuple[dict[str, Any], object]:
    """Return the header of a token and its claimed issuer, which say with which keys to verify it.

    Raises:
        Unauthenticated: it is no token.
    """
    try:
        header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    except (ValueError, RecursionError):
        raise Unauthenticated("the token is not a JSON Web Token") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Unauthenticated("the token is not a JSON Web Token")
    return header, claims.get("iss")
