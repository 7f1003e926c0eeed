"""Slots for work that may not all run together, shared fairly by those who wait for one."""

from __future__ import annotations

import asyncio
from types import TracebackType

from sidegate.runtime.fair_queue import FairQueue
from sidegate.runtime.shares import current_share


class FairSlots:
    """An async context manager that holds one of a number of slots; what waits takes turns by its share."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    def __repr__(self) -> str:
        return f"FairSlots({self._free} free, {len(self._waiting)} wait)"

    async def __aenter__(self) -> None:
        """Wait for a slot and take it."""
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        share = current_share()
        self._waiting.put(share, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()
            raise
        finally:
            self._waiting.discard(share, turn)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Return the slot."""
        self._release()

    def _release(self) -> None:
        self._free += 1
        while self._free and (served := self._waiting.pop()) is not None:
            _, turn = served
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
