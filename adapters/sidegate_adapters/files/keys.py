"""Secret keys in files of their own."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sidegate.errors import StartError

KEY_BYTES = 32


def kept_key(path: Path) -> bytes:
    """Return the key in a file, which is made with a random one where there is none; only its owner may read it.

    Raises:
        StartError: the file can't be read or made, or holds no key.
    """
    try:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _read(path)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            key = secrets.token_bytes(KEY_BYTES)
            file.write(key.hex() + "\n")
    except OSError as error:
        raise StartError(f"can't keep the token key in `{path}`: {(error.strerror or str(error)).lower()}") from error
    return key


def _read(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StartError(f"`{path}` holds no token key: expected {2 * KEY_BYTES} hexadecimal digits")
    return key
