"""Signed files in a directory of the sidecar's own."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from sidegate.errors import StartError

_MAGIC: Final = b"sidegate\x01"
_MAC_BYTES: Final = 32
_KEY_BYTES: Final = 32
_SUFFIX: Final = ".kept"
_KEY_FILE: Final = "key"
_OTHERS_WRITE: Final = 0o022


class SealedDirectory:
    """A `SealedFiles` in a directory; each file is written under a temporary name and then renamed.

    The first key signs, and all verify.
    """

    def __init__(self, directory: Path, key: bytes, *others: bytes) -> None:
        self._directory = directory
        self._keys = (key, *others)

    def __repr__(self) -> str:
        return f"SealedDirectory({str(self._directory)!r})"

    async def put(self, name: str, content: bytes) -> None:
        """Store a content under a name.

        Raises:
            OSError: it can't be written.
        """
        await asyncio.to_thread(self._put, name, content)

    async def get(self, name: str) -> bytes | None:
        """Return the content stored under a name; None if there is none, or none that this sidecar wrote."""
        return await asyncio.to_thread(self._get, name)

    async def keep_only(self, names: Collection[str]) -> None:
        """Delete the files of all other names."""
        await asyncio.to_thread(self._keep_only, names)

    def _put(self, name: str, content: bytes) -> None:
        _write(self._path(name), _MAGIC + _mac(self._keys[0], name, content) + content)

    def _get(self, name: str) -> bytes | None:
        try:
            read = self._path(name).read_bytes()
        except OSError:
            return None
        start = len(_MAGIC) + _MAC_BYTES
        mac, content = read[len(_MAGIC) : start], read[start:]
        signed = any(hmac.compare_digest(mac, _mac(key, name, content)) for key in self._keys)
        return content if signed and read.startswith(_MAGIC) else None

    def _keep_only(self, names: Collection[str]) -> None:
        kept = {self._path(name) for name in names}
        for path in self._directory.glob(f"*{_SUFFIX}"):
            if path not in kept:
                with suppress(OSError):
                    path.unlink()

    def _path(self, name: str) -> Path:
        return self._directory / (sha256(name.encode()).hexdigest() + _SUFFIX)


def _mac(key: bytes, name: str, content: bytes) -> bytes:
    named = name.encode()
    return hmac.digest(key, len(named).to_bytes(8, "big") + named + content, "sha256")


def open_sealed_directory(directory: Path, *keys: bytes) -> SealedDirectory:
    """Return the sealed files of a directory, which is created if missing; without keys, use one stored in it.

    Raises:
        StartError: it can't be had, or others could write to it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & _OTHERS_WRITE:
            raise StartError(f"the directory `{directory}` can be written by others: allow it to its owner alone")
        return SealedDirectory(directory, *(keys or (_own_key(directory / _KEY_FILE),)))
    except OSError as error:
        reason = (error.strerror or "not readable").lower()
        raise StartError(f"the directory `{directory}` can't be written: {reason}") from error


def _own_key(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        key = path.read_bytes()
        if len(key) == _KEY_BYTES:
            return key
    key = secrets.token_bytes(_KEY_BYTES)
    _write(path, key)
    return key


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, completely or not at all, also if the machine stops meanwhile."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
