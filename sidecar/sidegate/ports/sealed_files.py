"""The port of local files that only the same deployment can have written."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class SealedFiles(Protocol):
    """Stores bytes by name on this machine, and returns only bytes that the same deployment stored."""

    async def put(self, name: str, content: bytes) -> None:
        """Store content under a name, all or nothing.

        Raises:
            OSError: it can't be written.
        """
        ...

    async def get(self, name: str) -> bytes | None:
        """Return the content of a name; None if there is none, or if it is truncated, forged or of another name."""
        ...

    async def keep_only(self, names: Collection[str]) -> None:
        """Remove the files of all other names."""
        ...
