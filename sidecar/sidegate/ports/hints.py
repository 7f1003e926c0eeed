"""The port of hints: a store has something new."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol


class Hints(Protocol):
    """Tells sidecars that something was written, best effort: who misses a hint only sees the write later."""

    def listen(self) -> AsyncGenerator[None]:
        """Yield whenever there may be something new, and whenever it begins to listen: hints until then were missed.

        Several hints may come as one. It connects anew by itself, with growing pauses, and never ends nor raises.
        """
        ...

    def publish(self) -> None:
        """Tell all who listen, without waiting for it and without raising."""
        ...

    @property
    def connected(self) -> bool:
        """Whether hints would be heard now."""
        ...

    async def close(self) -> None:
        """Release all connections."""
        ...
