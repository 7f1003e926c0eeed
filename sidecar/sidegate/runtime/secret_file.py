"""Secrets in files, such as those that Kubernetes and Docker mount."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

_LARGEST: Final = 64 * 1024


def read_secret(path: Path) -> str:
    """Return the text of a file without the line ends at its end.

    Raises:
        OSError: it can't be read.
        ValueError: it holds no secret; the text says why, and shows nothing of it.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("is not a regular file")
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError("is larger than 64 KiB")
    try:
        text = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    if not text:
        raise ValueError("is empty")
    return text
