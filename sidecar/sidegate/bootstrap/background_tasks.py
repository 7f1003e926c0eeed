"""Tasks that run in the background while the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from sidegate.telemetry.logging import get_log

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def background(*work: Work) -> AsyncIterator[None]:
    """Run the tasks until the context ends, then cancel them; a task that fails is logged."""
    tasks = [asyncio.create_task(_logged(each)) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _logged(work: Work) -> None:
    try:
        await work()
    except Exception:  # noqa: BLE001 - the server runs on without the task; the failure is logged
        get_log("bootstrap").error("background task failed", task=repr(work), exc_info=True)
