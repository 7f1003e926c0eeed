"""The port of the cache that sidecars share."""

from __future__ import annotations

from typing import Protocol


class SharedCache(Protocol):
    """Remembers bytes for all sidecars on one database. It may forget at any time, and others may write to it, too."""

    async def get(self, key: bytes) -> bytes | None:
        """Return what is kept under a key; None where nothing is, or where that can't be told within the time given.

        It never raises, and it never takes longer than its time.
        """
        ...

    def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Keep a value for so long, beginning after this returns; where that is not to be done it is let go.

        It never raises, and it never waits.
        """
        ...

    async def close(self) -> None:
        """Release all connections."""
        ...
