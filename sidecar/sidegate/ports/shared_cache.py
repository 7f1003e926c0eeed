"""The port of the cache that sidecars share."""

from __future__ import annotations

from typing import Protocol


class SharedCache(Protocol):
    """Stores bytes for all sidecars on one database; it may lose them at any time, and is not trusted."""

    async def get(self, key: bytes) -> bytes | None:
        """Return the value of a key; None if there is none, or if the cache does not answer in time.

        It never raises, and never takes longer than its timeout.
        """
        ...

    def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Store a value for `seconds`, in the background; a value that can't be stored is dropped.

        It never raises, and it never waits.
        """
        ...

    async def close(self) -> None:
        """Release all connections."""
        ...
