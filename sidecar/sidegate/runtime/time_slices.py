"""Long work on the event loop, in slices between which all other calls have their turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from time import perf_counter
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")
ITEMS: Final = 50
"""The most items of one slice."""
SECONDS: Final = 0.0005
"""How long a slice lasts at most, unless one item takes longer."""


class _Slices:
    """Gives one slice in each turn of an event loop, to what waits longest: short calls wait for one slice at most."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def next(self) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._give)
        self._waiting.append(turn)
        await turn

    def _give(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._give)


_OF_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, _Slices] = WeakKeyDictionary()


async def next_time_slice() -> None:
    """Wait until long work may run for a short time: one piece of it in each turn of the event loop."""
    loop = asyncio.get_running_loop()
    slices = _OF_LOOP.get(loop)
    if slices is None:
        slices = _OF_LOOP[loop] = _Slices()
    await slices.next()


async def in_time_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items, a slice at a time; the work that is done with an item belongs to its slice."""
    number, ends = ITEMS, 0.0
    for item in items:
        if number == ITEMS or perf_counter() > ends:
            await next_time_slice()
            number, ends = 0, perf_counter() + SECONDS
        yield item
        number += 1
