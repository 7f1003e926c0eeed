"""Finds the caller that credentials belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sidegate.callers.file import CallerFile, TokenIdentity
from sidegate.callers.keys import digest_of
from sidegate.errors import Unauthenticated
from sidegate.model.callers.caller import Caller
from sidegate.model.callers.credentials import Credentials
from sidegate.ports.authenticator import TokenLease, TokenVerifier, VerifiedToken
from sidegate.runtime.lru import BoundedMap

T = TypeVar("T")
REMEMBERED: Final = 4_096
"""Tokens that need not be verified again."""
_MAX_MEMBER: Final = 256
_JWT_DOTS: Final = 2


@dataclass(frozen=True, slots=True)
class _Remembered:
    caller: Caller
    lease: TokenLease


class CallerDirectory:
    """An `Authenticator` over one caller file.

    A key or token comes before a certificate, and a certificate before a Unix socket; credentials that are not valid
    are refused even where others would be. Tokens are remembered by their SHA-256.
    """

    def __init__(self, file: CallerFile, tokens: TokenVerifier, *, remembered: int = REMEMBERED) -> None:
        self._file = file
        self._tokens = tokens
        self._keys = {bytes.fromhex(value): caller for caller, value in _identities(file, "key", str)}
        self._spiffe = {value: caller for caller, value in _identities(file, "spiffe", str)}
        self._dns = {value: caller for caller, value in _identities(file, "dns", str)}
        self._sockets = [caller for caller, _ in _identities(file, "unix_socket", bool)]
        self._token_identities = [*_identities(file, "jwt", TokenIdentity)]
        self._remembered: BoundedMap[bytes, _Remembered] = BoundedMap(remembered)

    def __repr__(self) -> str:
        return f"CallerDirectory({len(self._file.callers)} callers, {self._remembered!r})"

    def names(self) -> list[str]:
        """Return the names of the callers."""
        return [caller.name for caller, _ in self._file.callers]

    async def authenticate(self, credentials: Credentials) -> Caller:
        """Return the caller.

        Raises:
            Unauthenticated: there are no credentials, or they are not valid, or belong to no caller or to several.
            Unavailable: the keys of a token's issuer can't be read.
        """
        if credentials.malformed:
            raise Unauthenticated(f"the header `authorization` is not right: {credentials.malformed}")
        if credentials.bearer:
            return await self._of_bearer(credentials.bearer)
        if credentials.uris or credentials.dns_names:
            return self._of_certificate(credentials)
        if credentials.unix_socket and self._sockets:
            return self._sockets[0]
        expected = "expected a client certificate, or a key or token as `authorization: Bearer`"
        raise Unauthenticated(f"the call has no credentials: {expected}")

    async def _of_bearer(self, bearer: str) -> Caller:
        digest = digest_of(bearer)
        # How long this takes could show bits of a digest, from which nobody can make the key.
        if (caller := self._keys.get(digest)) is not None:
            return caller
        remembered = self._remembered.get(digest)
        if remembered is not None:
            if self._tokens.is_valid(remembered.lease):
                return remembered.caller
            self._remembered.drop(digest)
        if bearer.count(".") != _JWT_DOTS:
            raise Unauthenticated("the key is not known")
        verified = await self._tokens.verify(bearer)
        of_token = self._of_token(verified)
        self._remembered.put(digest, _Remembered(of_token, verified.lease))
        return of_token

    def _of_certificate(self, credentials: Credentials) -> Caller:
        names = (name.lower() for name in credentials.dns_names)
        found = [*map(self._spiffe.get, credentials.uris), *map(self._dns.get, names)]
        return _the_one(found, "the certificate")

    def _of_token(self, token: VerifiedToken) -> Caller:
        issuer = self._file.issuers[token.lease.issuer]
        fitting = (
            caller for caller, identity in self._token_identities if _fits(identity, issuer.name, claims=token.claims)
        )
        caller = _the_one(fitting, "the token")
        if issuer.tenant_claim:
            tenant = _text(token.claims, issuer.tenant_claim)
            if not tenant:
                raise Unauthenticated(f"the token names no tenant: expected the claim `{issuer.tenant_claim}`")
            caller = caller.limited_to(tenant)
        return caller.proven(_text(token.claims, issuer.member_claim)) if issuer.member_claim else caller


def _identities(file: CallerFile, kind: str, type_: type[T]) -> Iterable[tuple[Caller, T]]:
    for caller, identities in file.callers:
        for identity in identities:
            if identity.kind == kind and isinstance(identity.value, type_):
                yield caller, identity.value


def _the_one(found: Iterable[Caller | None], what: str) -> Caller:
    """Return the caller that credentials belong to.

    Raises:
        Unauthenticated: there is none, or there are several.
    """
    callers = {caller.name: caller for caller in found if caller is not None}
    if not callers:
        raise Unauthenticated(f"{what} belongs to no caller")
    if len(callers) > 1:
        raise Unauthenticated(f"{what} belongs to several callers")
    return next(iter(callers.values()))


def _fits(identity: TokenIdentity, issuer: str, *, claims: Mapping[str, Any]) -> bool:
    if identity.issuer != issuer or (identity.subject and claims.get("sub") != identity.subject):
        return False
    return all(_holds(claims.get(name), text) for name, text in identity.claims.items())


def _holds(claim: object, text: str) -> bool:
    """Return whether a claim is a text, or a list that holds it."""
    return claim == text or (isinstance(claim, list) and text in claim)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) and len(value) <= _MAX_MEMBER else ""
