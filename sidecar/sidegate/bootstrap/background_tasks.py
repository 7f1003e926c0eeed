"""What runs beside the calls for as long as the server does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from sidegate.telemetry.logging import get_log

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def background(*work: Work) -> AsyncIterator[None]:
    """Run these meanwhile, and end them then; one that fails is logged when it does."""
    tasks = [asyncio.create_task(_told(each)) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _told(work: Work) -> None:
    try:
        await work()
    except Exception:  # noqa: BLE001 - the server goes on without it; whoever reads the log knows
        get_log("bootstrap").error("a task of the background failed", task=repr(work), exc_info=True)
