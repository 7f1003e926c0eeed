"""Revisions as clients see them: a token says nothing to them, and none but ours is taken back."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from sidegate.errors import InvalidInput, Violation

FIELD = "consistency.at_least_as_fresh"
"""The field of a request that carries a token, unless said otherwise."""
_NUMBER_BYTES = 8
_MAC_BYTES = 16
_KEY_BYTES = 16
# 24 bytes fill 32 characters without a spare bit, so that no two texts stand for one token.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


class RevisionTokens:
    """Turns a tenant's revision into a token and back; every sidecar of a store needs the same key."""

    def __init__(self, key: bytes) -> None:
        if len(key) < _KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes can be guessed: expected at least {_KEY_BYTES}")
        self._key = key

    def encode(self, tenant: str, number: int) -> str:
        """Return the token of a revision; empty for 0, the revision of a tenant that is not there."""
        if number == 0:
            return ""
        stored = number.to_bytes(_NUMBER_BYTES, "big")
        return urlsafe_b64encode(stored + self._mac(tenant, stored)).decode("ascii")

    def decode(self, tenant: str, token: str, *, field: str = FIELD) -> int:
        """Return the revision that a token of this tenant stands for; 0 for the empty one.

        Raises:
            InvalidInput: it is not a token of this tenant.
        """
        if not token:
            return 0
        if _TOKEN.fullmatch(token):
            raw = urlsafe_b64decode(token)
            stored, mac = raw[:_NUMBER_BYTES], raw[_NUMBER_BYTES:]
            if hmac.compare_digest(mac, self._mac(tenant, stored)):
                return int.from_bytes(stored, "big")
        raise InvalidInput(
            Violation(field, "not a revision of this tenant: expected a token that an answer or a write returned")
        )

    def _mac(self, tenant: str, stored: bytes) -> bytes:
        return hmac.digest(self._key, b"sidegate revision\0" + stored + tenant.encode(), "sha256")[:_MAC_BYTES]
