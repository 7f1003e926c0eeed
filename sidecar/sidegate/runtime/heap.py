"""Returns memory that is no longer used to the system, which the C library may keep for the process otherwise."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Final

INTERVAL: Final = 1.0
"""Seconds between two checks of the memory of the process."""
GROWTH: Final = 16 * 1024 * 1024
"""By how many bytes memory must have grown before it is worth the milliseconds that a release takes."""
_STATM: Final = Path("/proc/self/statm")
_PAGE: Final = 4096


class HeapRelease:
    """Releases unused memory after the process has grown; messages of megabytes leave holes in the C library's heap.

    `resident` returns the bytes of the process that are in memory, and `release` returns what is unused to the system.
    """

    def __init__(self, resident: Callable[[], int], release: Callable[[], object]) -> None:
        self._resident = resident
        self._release = release
        self._before = resident()

    def __repr__(self) -> str:
        return f"HeapRelease({self._before} bytes after the last release)"

    async def run(self) -> None:
        """Release memory whenever the process has grown, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.step()

    async def step(self) -> bool:
        """Release memory if the process has grown since the last release; return whether it had."""
        resident = self._resident()
        if resident < self._before + GROWTH:
            self._before = min(self._before, resident)
            return False
        # In a thread: other calls go on, since the interpreter is not needed for it.
        await asyncio.to_thread(self._release)
        self._before = self._resident()
        return True


def heap_release() -> HeapRelease | None:
    """Return what releases the memory of this process; None where the system or its C library has no way to do so."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None or not _STATM.exists():
        return None
    return HeapRelease(_resident, lambda: trim(0))


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) * _PAGE
