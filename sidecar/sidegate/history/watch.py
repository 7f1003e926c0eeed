"""Streams of changes: each watcher receives what is written, in order, after its cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from sidegate.errors import InvalidInput, StoreUnavailable, TooManyWatchers, TooStale, Violation
from sidegate.history.cursors import PAGE, ChangeFilter, ChangePage, Cursor, CursorReader, page_of
from sidegate.replica.follower import Follower

HEARTBEAT: Final = 10.0
_STORE_READERS: Final = 2
"""The most watchers that read the store at the same time."""
_RETRY_DELAY: Final = 0.5
"""Seconds until the next attempt after the store did not answer."""


@dataclass(frozen=True, slots=True)
class WatchOrder:
    """What to watch, and from where: a cursor, a time, or from now on where `start` is None.

    A page, maybe an empty one, is sent at least every `heartbeat` seconds.
    """

    change_filter: ChangeFilter
    start: Cursor | datetime | None = None
    heartbeat: float = HEARTBEAT


@dataclass(slots=True)
class _Watch:
    """The state of one watcher: its filter, its cursor, and the epoch of the feed that the cursor belongs to."""

    change_filter: ChangeFilter
    cursor: Cursor
    epoch: int


class WatchService:
    """Sends watchers the changes that the follower has applied; each watcher holds a cursor and one page at most.

    A change that is sent is already active on this sidecar. Watchers that are up to date are served from memory; those
    that are behind read the store, a few at a time, so that they take little of its capacity from other calls.
    """

    def __init__(self, cursors: CursorReader, follower: Follower, *, max_staleness: float, max_watchers: int) -> None:
        self._cursors = cursors
        self._follower = follower
        self._max_staleness = max_staleness
        self._max_watchers = max_watchers
        self._watchers = 0
        self._store_readers = asyncio.Semaphore(_STORE_READERS)

    def __repr__(self) -> str:
        return f"WatchService({self._watchers} of {self._max_watchers}, {self._follower!r})"

    def count(self) -> int:
        """Return the number of watchers."""
        return self._watchers

    async def watch(self, order: WatchOrder) -> AsyncGenerator[ChangePage, None]:
        """Yield what follows the start, without end; the next page is read after the last one was taken.

        Raises:
            InvalidInput: the feed does not contain the start, or no more, or not yet.
            NotFound: there never was such a tenant.
            TooManyWatchers: the limit of watchers is reached.
            Unavailable: the view of the store is older than the bound, or the store did not answer at the start.
        """
        with self._counted(), self._follower.recent_changes.awaited(order.change_filter.tenant) as arrived:
            watch = await self._open(order)
            silent_until, behind = monotonic() + order.heartbeat, True
            while True:
                arrived.clear()
                page = await self._next(watch)
                if page.changes or monotonic() >= silent_until or (page.caught_up and behind):
                    yield page
                    silent_until, behind = monotonic() + order.heartbeat, not page.caught_up
                if page.caught_up:
                    await _wait(arrived, timeout=silent_until - monotonic())

    async def _open(self, order: WatchOrder) -> _Watch:
        self._require_fresh()
        epoch = self._follower.recent_changes.epoch
        async with self._store_readers:
            await self._cursors.require_tenant(order.change_filter.tenant)
            return _Watch(order.change_filter, await self._start(order.start), epoch)

    async def _start(self, start: Cursor | datetime | None) -> Cursor:
        match start:
            case None:
                return await self._cursors.end()
            case Cursor() as cursor:
                await self._cursors.require(cursor)
                return cursor
            case time:
                if time > datetime.now(UTC):
                    message = f"`{time.isoformat()}` is in the future: expected a time before now"
                    raise InvalidInput(Violation("start_time", message))
                return await self._cursors.before(time)

    async def _next(self, watch: _Watch) -> ChangePage:
        """Return the watcher's next page; where the store does not answer, try again until the staleness bound."""
        while True:
            self._require_fresh()
            try:
                page = self._from_memory(watch) or await self._from_store(watch)
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_DELAY)
            else:
                watch.cursor = page.cursor
                return page

    def _from_memory(self, watch: _Watch) -> ChangePage | None:
        """Return the next page from memory; None where memory starts after the cursor, or is of another epoch."""
        recent = self._follower.recent_changes
        fresh = recent.after(watch.cursor.sequence) if watch.epoch == recent.epoch else None
        if fresh is None or watch.cursor.sequence > recent.sequence:
            return None
        if not fresh:
            return ChangePage((), watch.cursor, caught_up=True)
        return page_of(fresh[:PAGE], watch.change_filter, more=len(fresh) > PAGE)

    async def _from_store(self, watch: _Watch) -> ChangePage:
        recent = self._follower.recent_changes
        epoch, seen = recent.epoch, recent.sequence
        async with self._store_readers:
            if seen > watch.cursor.sequence:
                page = await self._cursors.after(watch.cursor, watch.change_filter, until=seen)
            else:  # another sidecar has seen more, or the store was restored to an earlier state
                await self._cursors.require(watch.cursor)
                page = ChangePage((), watch.cursor, caught_up=True)
        watch.epoch = epoch
        return page

    def _require_fresh(self) -> None:
        staleness = self._follower.staleness()
        if staleness > self._max_staleness:
            message = f"the view of the store is {staleness:.1f} s old; the bound is {self._max_staleness:g} s"
            raise TooStale(message)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._watchers >= self._max_watchers:
            raise TooManyWatchers(f"{self._watchers} watchers are connected already: try another sidecar, or later")
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1


async def _wait(arrived: asyncio.Event, *, timeout: float) -> None:  # noqa: ASYNC109 - a timeout is no error here
    """Wait for new changes, or until the timeout."""
    try:
        async with asyncio.timeout(timeout):
            await arrived.wait()
    except TimeoutError:
        return
