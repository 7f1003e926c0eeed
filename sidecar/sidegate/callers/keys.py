"""Keys of callers.

A key is 256 random bits, so nobody can find it by trying, and a plain SHA-256 of it is safe to store: a slow hash, as
passwords need, would only make each call slower.
"""

from __future__ import annotations

import re
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final

_PREFIX: Final = "sidegate_"
"""What all keys begin with, so that scanners find one that was published by mistake."""
_BYTES: Final = 32
_KEY: Final = re.compile(_PREFIX + r"[A-Za-z0-9_-]{16,}")


def new_key() -> str:
    """Return a new key."""
    return _PREFIX + token_urlsafe(_BYTES)


def digest_of(key: str) -> bytes:
    """Return the SHA-256 of a key or token."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def without_keys(text: str) -> str:
    """Return the text with all keys in it cut to their prefix, such as one that was written where its hash belongs."""
    return _KEY.sub(f"{_PREFIX}…", text)
