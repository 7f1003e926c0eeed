"""Reads the files of a pack, which may come from an untrusted author: regular files inside it only."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

MAX_FILE_SIZE: Final = 4 * 1024 * 1024
_ATTEMPTS: Final = 3


def read_inside(root: Path, file: Path) -> bytes:
    """Return the content of a regular file inside a directory.

    Symbolic links are followed while they lead to somewhere inside, as those of a ConfigMap volume do. Only a
    regular file is opened, so that no read waits.

    Raises:
        OSError: there is no such file, it is no regular file inside the directory, or it is too large; `strerror` says
            why.
    """
    top = Path(os.path.realpath(root, strict=True))
    for _ in range(_ATTEMPTS - 1):
        # A link that was replaced since it was resolved, as Kubernetes replaces them, leads to the new file.
        with suppress(FileNotFoundError, NotADirectoryError):
            return _read(top, file)
    return _read(top, file)


def is_inside(root: Path, path: Path) -> bool:
    """Return whether a path, with its symbolic links followed, is inside a directory; not where it leads nowhere."""
    try:
        return Path(os.path.realpath(path, strict=True)).is_relative_to(os.path.realpath(root, strict=True))
    except OSError:
        return False


def _read(top: Path, file: Path) -> bytes:
    real = Path(os.path.realpath(file, strict=True))
    if not real.is_relative_to(top):
        raise OSError(errno.ELOOP, "a symbolic link that leads out of its directory")
    with os.fdopen(_opened(top, real.relative_to(top).parts), "rb") as opened:
        content = opened.read(MAX_FILE_SIZE + 1)
    if len(content) > MAX_FILE_SIZE:
        raise OSError(errno.EFBIG, f"larger than {MAX_FILE_SIZE} bytes")
    return content


def _opened(top: Path, parts: tuple[str, ...]) -> int:
    """Open a path below a directory, without following a symbolic link in it; return the descriptor."""
    directory = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    with closing(_Directory(directory)) as current:
        for part in parts[:-1]:
            current.enter(part)
        return current.open_file(parts[-1] if parts else ".")


class _Directory:
    """An open directory, which is left for one inside it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def enter(self, name: str) -> None:
        """Go to a directory inside."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        inner = os.open(name, flags, dir_fd=self._descriptor)
        os.close(self._descriptor)
        self._descriptor = inner

    def open_file(self, name: str) -> int:
        """Open a regular file; anything else is not opened, since opening some devices does something."""
        _require_regular(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(name, flags, dir_fd=self._descriptor)
        try:
            _require_regular(os.fstat(descriptor))
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def close(self) -> None:
        """Close the directory."""
        os.close(self._descriptor)


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
