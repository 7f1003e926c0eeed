"""Long work on the event loop, in pieces between which all else has its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")
_PIECE: Final = 50


async def in_time_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items, and let the loop do what else waits every so many of them."""
    for position, item in enumerate(items):
        if position % _PIECE == 0:
            await asyncio.sleep(0)
        yield item
