"""The end of tasks that nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


async def cancel_and_wait(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel these tasks, and wait until they are done."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
