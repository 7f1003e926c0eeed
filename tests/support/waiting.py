"""Waiting for a condition that another process or task makes true; only pytest's own time limit ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable

_PAUSE = 0.01
"""Seconds between two evaluations of a condition."""


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return once a condition holds."""
    while not (await held if isawaitable(held := holds()) else held):  # noqa: ASYNC110 - nothing reports the change
        await asyncio.sleep(_PAUSE)


def block_until(holds: Callable[[], bool]) -> None:
    """Block the thread, and return once a condition holds."""
    while not holds():
        time.sleep(_PAUSE)
