"""Watching the changes of tenants as they are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from sidegate.errors import InvalidInput, StoreUnavailable, TooManyWatchers, TooStale, Violation
from sidegate.history.cursors import PAGE, Place, Places, Told, Wanted, tell
from sidegate.replica.follower import Follower

HEARTBEAT: Final = 10.0
_TURNS: Final = 2
"""Watchers that read the store at once."""
_PAUSE: Final = 0.5
"""Seconds until a store that did not answer is asked again."""


@dataclass(frozen=True, slots=True)
class WatchOrder:
    """What to watch, and from where: a place that was told before, a time, or from now on where `start` is None.

    Something is told every `heartbeat` seconds at least.
    """

    wanted: Wanted
    start: Place | datetime | None = None
    heartbeat: float = HEARTBEAT


@dataclass(slots=True)
class _Watch:
    """What one watcher wants, and how far it was told; its place is one of the feed of an epoch."""

    wanted: Wanted
    place: Place
    epoch: int


class Watching:
    """Tells watchers what the follower has seen; each holds its place in the feed and at most one page of it.

    What is told is in force here. Watchers that keep up are told from memory and ask the store nothing; those that are
    behind take turns at it, so that they take it away from nobody else.
    """

    def __init__(self, places: Places, follower: Follower, *, max_staleness: float, max_watchers: int) -> None:
        self._places = places
        self._follower = follower
        self._max_staleness = max_staleness
        self._max_watchers = max_watchers
        self._watchers = 0
        self._turns = asyncio.Semaphore(_TURNS)

    def __repr__(self) -> str:
        return f"Watching({self._watchers} of {self._max_watchers}, {self._follower!r})"

    def count(self) -> int:
        """Return how many watch."""
        return self._watchers

    async def watch(self, order: WatchOrder) -> AsyncGenerator[Told, None]:
        """Yield what comes after the start, for ever; a yield waits until the one before was taken.

        Raises:
            InvalidInput: the start is not a place of this feed, or not yet, or its place is gone.
            NotFound: there never was such a tenant.
            TooManyWatchers: as many watch already as may.
            Unavailable: the view of the store is older than the bound, or the store did not answer at the start.
        """
        with self._counted(), self._follower.recent_changes.awaited(order.wanted.tenant) as arrived:
            watch = await self._begin(order)
            silent_until, behind = monotonic() + order.heartbeat, True
            while True:
                arrived.clear()
                told = await self._next(watch)
                if told.changes or monotonic() >= silent_until or (told.caught_up and behind):
                    yield told
                    silent_until, behind = monotonic() + order.heartbeat, not told.caught_up
                if told.caught_up:
                    await _arrival(arrived, within=silent_until - monotonic())

    async def _begin(self, order: WatchOrder) -> _Watch:
        self._require_fresh()
        epoch = self._follower.recent_changes.epoch
        async with self._turns:
            await self._places.require_tenant(order.wanted.tenant)
            return _Watch(order.wanted, await self._start(order.start), epoch)

    async def _start(self, start: Place | datetime | None) -> Place:
        match start:
            case None:
                return await self._places.end()
            case Place() as place:
                await self._places.require(place)
                return place
            case moment:
                if moment > datetime.now(UTC):
                    message = f"`{moment.isoformat()}` is in the future: expected a time before now"
                    raise InvalidInput(Violation("start_time", message))
                return await self._places.before(moment)

    async def _next(self, watch: _Watch) -> Told:
        """Return what is new to a watcher, and try again where the store does not answer, until the bound."""
        while True:
            self._require_fresh()
            try:
                told = self._remembered(watch) or await self._stored(watch)
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE)
            else:
                watch.place = told.place
                return told

    def _remembered(self, watch: _Watch) -> Told | None:
        """Return what memory tells; None where it does not reach back to the watcher's place, or can't vouch for it."""
        arrivals = self._follower.recent_changes
        fresh = arrivals.after(watch.place.sequence) if watch.epoch == arrivals.epoch else None
        if fresh is None or watch.place.sequence > arrivals.sequence:
            return None
        if not fresh:
            return Told((), watch.place, caught_up=True)
        return tell(fresh[:PAGE], watch.wanted, more=len(fresh) > PAGE)

    async def _stored(self, watch: _Watch) -> Told:
        arrivals = self._follower.recent_changes
        epoch, seen = arrivals.epoch, arrivals.sequence
        async with self._turns:
            if seen > watch.place.sequence:
                told = await self._places.after(watch.place, watch.wanted, until=seen)
            else:  # another sidecar has seen more, or the store was taken back
                await self._places.require(watch.place)
                told = Told((), watch.place, caught_up=True)
        watch.epoch = epoch
        return told

    def _require_fresh(self) -> None:
        staleness = self._follower.staleness()
        if staleness > self._max_staleness:
            message = f"the view of the store is {staleness:.1f} s old; the bound is {self._max_staleness:g} s"
            raise TooStale(message)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._watchers >= self._max_watchers:
            raise TooManyWatchers(f"{self._watchers} watch here already: try another sidecar, or later")
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1


async def _arrival(arrived: asyncio.Event, *, within: float) -> None:
    """Wait for something new, or for so many seconds."""
    try:
        async with asyncio.timeout(within):
            await arrived.wait()
    except TimeoutError:
        return
