"""The time of a write: never before the newest change, and never from a clock that is ahead of the others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from secrets import randbelow
from typing import Any, Final

from sqlalchemy import DateTime, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.ports.clock import ClockCheck, ClockHook
from sidegate.runtime.clock import MAX_DIFFERENCE, CheckedClock
from sidegate_adapters.sql.tables import feed

_MAX_STEP: Final = 1_000
"""The most microseconds between a change and the next one if the clock does not advance or goes back."""
_NEWEST = select(feed.c.at).where(feed.c.id == 1)
_CLOCKS: Mapping[str, Select[Any]] = {
    # SQLite has no clock but that of this machine.
    "sqlite": _NEWEST.add_columns(literal(None)),
    "postgresql": _NEWEST.add_columns(func.clock_timestamp(type_=DateTime(timezone=True))),
}


async def time_of_write(connection: AsyncConnection, clock: CheckedClock, hook: ClockHook) -> datetime:
    """Return the time for a write, or one that is later than the feed if the clock is behind it.

    The tenants are locked, so that nobody writes to them between this query and their changes. The step is random: two
    stores restored from one backup must not give their revisions the same times. A clock that differs much from the
    database's own is not relied on: the earlier of both is taken, since a time that is too late can't be taken back.
    """
    newest, stored = (await connection.execute(_CLOCKS[connection.dialect.name])).one()
    jump, now = clock.jump(), clock.now()
    ahead_of_store = timedelta() if stored is None else now - stored
    if abs(ahead_of_store) > MAX_DIFFERENCE:
        now = min(now, stored)
    history_ahead = timedelta() if newest is None else newest - now
    hook(ClockCheck(jump, ahead_of_store, history_ahead))
    if newest is None or newest < now:
        return now
    later: datetime = newest + timedelta(microseconds=1 + randbelow(_MAX_STEP))
    return later
