"""Retries of reads and commands that lost a race against another writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from sidegate.errors import RevisionConflict

T = TypeVar("T")
ATTEMPTS: Final = 16
"""How often an attempt is made while other writers come first."""


async def retry_on_conflict(attempt: Callable[[], Awaitable[T]], *, catch_up: Callable[[], Awaitable[None]]) -> T:
    """Return the result of the first attempt that meets no conflict.

    Decisions are made from memory but are valid only at the stored revision: where memory is behind the store, an
    attempt conflicts as if another writer had come first. So memory catches up between attempts, not before the first.

    Raises:
        RevisionConflict: every attempt met a conflict.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(RevisionConflict):
            return await attempt()
        await catch_up()
    return await attempt()
