"""Revisions as clients see them: opaque tokens, of which only our own are accepted."""

from __future__ import annotations

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from sidegate.errors import InvalidInput, Violation
from sidegate.model.revision import NO_REVISION, Revision

FIELD: Final = "consistency.at_least_as_fresh"
"""The field of a request that carries a token, unless said otherwise."""
_STORED: Final = struct.Struct(">qq")
_KEY_BYTES: Final = 16
# 33 bytes fill 44 characters without a spare bit, so that each token has exactly one text.
_MAC_BYTES: Final = 17
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{44}")


class RevisionTokens:
    """Turns a tenant's revision into a token and back; every sidecar of a store needs the same keys.

    The first key signs, and all verify: a token outlives the change to a new key as long as the old one is given.
    """

    def __init__(self, key: bytes, *others: bytes) -> None:
        for each in (key, *others):
            if len(each) < _KEY_BYTES:
                raise ValueError(f"a key of {len(each)} bytes can be guessed: expected at least {_KEY_BYTES}")
        # A copy of a keyed object holds the interpreter's lock throughout, unlike `hmac.digest`: a Check that released
        # it would wait for other threads to return it.
        self._keyed = tuple(hmac.new(each, b"sidegate revision\0", "sha256") for each in (key, *others))

    def encode(self, tenant: str, revision: Revision) -> str:
        """Return the token of a revision; empty for a tenant that does not exist."""
        if revision.number == 0:
            return ""
        stored = _STORED.pack(revision.number, revision.time)
        return urlsafe_b64encode(stored + _mac(self._keyed[0], tenant, stored)).decode("ascii")

    def decode(self, tenant: str, token: str, *, field: str = FIELD) -> Revision:
        """Return the revision of a token of this tenant, NO_REVISION for the empty token.

        Raises:
            InvalidInput: it is not a token of this tenant.
        """
        if not token:
            return NO_REVISION
        if _TOKEN.fullmatch(token):
            raw = urlsafe_b64decode(token)
            stored, mac = raw[: _STORED.size], raw[_STORED.size :]
            if any(hmac.compare_digest(mac, _mac(keyed, tenant, stored)) for keyed in self._keyed):
                return Revision(*_STORED.unpack(stored))
        raise InvalidInput(
            Violation(field, "not a revision of this tenant: expected a token that an answer or a write returned")
        )


def _mac(key: hmac.HMAC, tenant: str, stored: bytes) -> bytes:
    keyed = key.copy()
    keyed.update(stored + tenant.encode())
    return keyed.digest()[:_MAC_BYTES]
