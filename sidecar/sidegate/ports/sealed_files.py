"""The port of files of this machine that only the same deployment can have written."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class SealedFiles(Protocol):
    """Keeps bytes by name on this machine; only what was put there by the same deployment ever comes back."""

    async def put(self, name: str, content: bytes) -> None:
        """Keep something by a name, whole or not at all.

        Raises:
            OSError: it can't be written.
        """
        ...

    async def get(self, name: str) -> bytes | None:
        """Return what is kept by a name; None where nothing is, or where it is cut, forged or another name's."""
        ...

    async def keep_only(self, names: Collection[str]) -> None:
        """Remove all that is kept by other names."""
        ...
