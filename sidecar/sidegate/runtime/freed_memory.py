"""Memory that was freed goes back to the system: glibc would keep that of large messages for later."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, Final

_SECONDS: Final = 1.0
"""By then the call that had the memory has ended, and its response was sent."""


def return_memory_soon() -> None:
    """Return freed memory to the system once the current call has ended, in a thread; elsewhere than on glibc not."""
    loop = asyncio.get_running_loop()
    loop.call_later(_SECONDS, loop.run_in_executor, None, _trim())


@cache
def _trim() -> Callable[[], Any]:
    trim: Any = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return (lambda: trim(0)) if trim else lambda: None
