"""The public keys of an issuer, read in a thread and read again from time to time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from sidegate.errors import IssuerUnavailable, Unauthenticated
from sidegate.model.callers.token_issuer import TokenIssuer, is_secure_url
from sidegate_adapters.oidc.fetch import Unreadable, read_json

REFRESH: Final = 60.0
"""Seconds between two readings: a removed key is accepted no longer than that, while its issuer answers."""
MAX_AGE: Final = 3600.0
"""Seconds that keys are used while their issuer does not answer."""
RETRY: Final = 10.0
"""Seconds between two readings that unknown keys in tokens cause."""
_KINDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", ("",))),
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
}
"""The kind of key, and the curves, of each algorithm; keys that sign and verify with one secret have none here."""
_LEAST_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies the signatures of one algorithm."""

    id: str
    algorithm: str
    key: PyJWK


class KeySet:
    """The keys of one issuer, by which only its pinned algorithms are verified."""

    def __init__(self, issuer: TokenIssuer, *, clock: Callable[[], float] = monotonic) -> None:
        self._issuer = issuer
        self._clock = clock
        self._keys: tuple[PublicKey, ...] = ()
        self._source: list[Any] | None = None
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Task[bool] | None = None
        # A thread of its own: it must not wait behind other work that takes long.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sidegate-issuer-keys")
        self.version = 0
        """A number that changes whenever the keys do."""
        self.problem = "its keys have not been read yet"
        """Why the last reading failed; "" where it did not."""

    def __repr__(self) -> str:
        return f"KeySet({self._issuer.name!r}, {len(self._keys)} keys)"

    def is_current(self) -> bool:
        """Return whether the keys may be used."""
        return self._read_at is not None and self._clock() - self._read_at <= MAX_AGE

    async def refresh(self) -> bool:
        """Read the keys in a thread, and return whether that succeeded; else the last ones stay.

        All that ask while the keys are read wait for the same reading.
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        # One that stops waiting must not stop the reading for the others.
        return await asyncio.shield(self._reading)

    async def find(self, key_id: str | None, algorithm: str) -> PublicKey:
        """Return the key that a token names, or the only one there is for its algorithm where it names none.

        The keys are read again first where this one is not known, but not more often than every `RETRY` seconds.

        Raises:
            Unauthenticated: the issuer has no such key.
            IssuerUnavailable: its keys can't be read.
        """
        found = self._find(key_id, algorithm)
        if found is None and self._may_try():
            await self.refresh()
            found = self._find(key_id, algorithm)
        if not self.is_current():
            raise IssuerUnavailable(f"the keys of the issuer `{self._issuer.name}` can't be read now; try again")
        if found is None:
            raise Unauthenticated("the token is not signed with a key of its issuer")
        return found

    def _find(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        if not self.is_current():
            return None
        fitting = [key for key in self._keys if key.algorithm == algorithm and key_id in (None, key.id)]
        return fitting[0] if len(fitting) == 1 else None

    def _may_try(self) -> bool:
        reading = self._reading is not None and not self._reading.done()
        return reading or self._tried_at is None or self._clock() - self._tried_at >= RETRY

    async def _read(self) -> bool:
        self._tried_at = started = self._clock()
        try:
            source = await asyncio.get_running_loop().run_in_executor(self._thread, read_keys, self._issuer)
        except Unreadable as error:
            self.problem = str(error)
            return False
        if source != self._source:
            self._source, self._keys = source, tuple(_usable(source, self._issuer.algorithms))
            self.version += 1
        self._read_at, self.problem = started, ""
        return True


def read_keys(issuer: TokenIssuer) -> list[Any]:
    """Return the issuer's JSON Web Keys as they are. It blocks: call it in a thread.

    Raises:
        Unreadable: they can't be read.
    """
    keys = read_json(issuer.jwks if issuer.jwks is not None else _discovered(issuer.issuer)).get("keys")
    if not isinstance(keys, list):
        raise Unreadable("it is not a JSON Web Key Set: expected a list `keys`")
    return keys


def usable_keys(issuer: TokenIssuer) -> int:
    """Return how many keys an issuer has for its algorithms. It blocks: call it in a thread.

    Raises:
        Unreadable: they can't be read.
    """
    return len([*_usable(read_keys(issuer), issuer.algorithms)])


def _discovered(issuer: str) -> str:
    """Return where an issuer's discovery document says that its keys are.

    Raises:
        Unreadable: it does not say.
    """
    document = read_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise Unreadable("its discovery document is that of another issuer")
    jwks = document.get("jwks_uri")
    if not isinstance(jwks, str) or not is_secure_url(jwks):
        raise Unreadable("its discovery document has no `jwks_uri` with https")
    return jwks


def _usable(keys: list[Any], algorithms: tuple[str, ...]) -> Iterator[PublicKey]:
    """Yield the keys for signatures, one for each algorithm that they can verify; others are left out."""
    for given in keys:
        if not isinstance(given, dict) or given.get("use", "sig") != "sig":
            continue
        for algorithm in algorithms:
            kind, curves = _KINDS[algorithm]
            fits = given.get("kty") == kind and (given.get("crv", "") in curves)
            if fits and given.get("alg", algorithm) == algorithm and (key := _key(given, algorithm)) is not None:
                yield PublicKey(str(given.get("kid", "")), algorithm, key)


def _key(given: dict[str, Any], algorithm: str) -> PyJWK | None:
    public = {name: value for name, value in given.items() if name != "d"}
    try:
        key = PyJWK(public, algorithm=algorithm)
    except (PyJWTError, ValueError, TypeError):
        return None
    short = isinstance(key.key, RSAPublicKey) and key.key.key_size < _LEAST_RSA_BITS
    return None if short else key
