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
from sidegate.membership.follower import Follower
from sidegate.membership.places import Place, Places, Told, Wanted

HEARTBEAT: Final = 10.0
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


class Watching:
    """Tells watchers what the follower has seen; each holds its place in the feed and at most one page of it.

    What is told is in force here. Waiting asks the store nothing: the follower's look wakes those whom it concerns.
    """

    def __init__(self, places: Places, follower: Follower, *, max_staleness: float, max_watchers: int) -> None:
        self._places = places
        self._follower = follower
        self._max_staleness = max_staleness
        self._max_watchers = max_watchers
        self._watchers = 0

    def __repr__(self) -> str:
        return f"Watching({self._watchers} of {self._max_watchers}, {self._follower!r})"

    def count(self) -> int:
        """Return how many watch."""
        return self._watchers

    async def watch(self, order: WatchOrder) -> AsyncGenerator[Told, None]:
        """Yield what comes after the start, for ever; a yield waits until the one before was taken.

        Raises:
            InvalidInput: the start is not a place of this feed, or not yet.
            NotFound: there never was such a tenant.
            TooManyWatchers: as many watch already as may.
            Unavailable: the view of the store is older than the bound, or the store did not answer at the start.
        """
        with self._counted(), self._follower.arrivals.awaited(order.wanted.tenant) as arrived:
            place = await self._begin(order)
            silent_until, behind = monotonic() + order.heartbeat, True
            while True:
                arrived.clear()
                told = await self._next(place, order.wanted)
                place = told.place
                if told.changes or monotonic() >= silent_until or (told.caught_up and behind):
                    yield told
                    silent_until, behind = monotonic() + order.heartbeat, not told.caught_up
                if told.caught_up:
                    await _arrival(arrived, within=silent_until - monotonic())

    async def _begin(self, order: WatchOrder) -> Place:
        self._require_fresh()
        await self._places.require_tenant(order.wanted.tenant)
        match order.start:
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

    async def _next(self, place: Place, wanted: Wanted) -> Told:
        """Return what is new after a place, and try again where the store does not answer, until the bound."""
        while True:
            self._require_fresh()
            seen = self._follower.arrivals.sequence
            try:
                if seen > place.sequence:
                    return await self._places.after(place, wanted, until=seen)
                if seen < place.sequence:  # another sidecar has seen more, or the store was taken back
                    await self._places.require(place)
                return Told((), place, caught_up=True)
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE)

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
