"""Signed tokens, which only a sidecar of this store can make: of pages, of invitations, of deletions."""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from sidegate.errors import InvalidInput, Violation

_MAC_BYTES: Final = 16
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")


class Seals:
    """Signs texts as a token and opens it again; a token of one purpose is refused for any other.

    The first key signs, and all verify. A token is base64url without padding. Only the text that `seal` returned opens:
    no other spelling of its bytes does.
    """

    def __init__(self, key: bytes, *others: bytes) -> None:
        self._keys = (key, *others)

    def seal(self, purpose: str, *parts: str) -> str:
        """Return a token of texts, which can be read by anyone and changed by nobody."""
        content = json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()
        # With the content first, a list, no token begins with a dash, which a command line would take for an option.
        return _text(content + _mac(self._keys[0], purpose, content))

    def open(self, purpose: str, token: str, *, field: str) -> tuple[str, ...]:
        """Return the texts of a token.

        Raises:
            InvalidInput: it is not a token of this purpose.
        """
        raw = _bytes(token)
        content, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, purpose, content)) for key in self._keys):
            raise InvalidInput(
                Violation(field, "is not right: expected a token as an answer of this server carried it")
            )
        return tuple(json.loads(content))


def _mac(key: bytes, purpose: str, content: bytes) -> bytes:
    return hmac.digest(key, f"sidegate {purpose}\0".encode() + content, "sha256")[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _bytes(token: str) -> bytes:
    """Return the bytes of a token, none where it is not their only spelling.

    The library skips characters outside its alphabet, and ignores the unused bits of the last character.
    """
    if not _TOKEN.fullmatch(token):
        return b""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
    return raw if _text(raw) == token else b""
