"""The port of hints: a store has something new."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol


class Hints(Protocol):
    """Notifies sidecars of writes, best effort: a sidecar that misses a hint only sees the write later."""

    def listen(self) -> AsyncGenerator[None]:
        """Yield whenever there may be something new, and whenever it begins to listen: hints until then were missed.

        Several hints may come as one. It reconnects by itself, with growing pauses, and never ends nor raises.
        """
        ...

    def publish(self) -> None:
        """Notify all listeners, without waiting and without raising."""
        ...

    @property
    def connected(self) -> bool:
        """Whether hints would be received now."""
        ...

    async def close(self) -> None:
        """Release all connections."""
        ...
