"""Follows the store's changes, and knows how old its view of them is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from sidegate.errors import SchemaChanged, Unavailable
from sidegate.model.change import RecordedChange
from sidegate.ports.facts_store import FactsStore
from sidegate.ports.hints import Hints
from sidegate.replica.feed import Feed
from sidegate.replica.recent_changes import RecentChanges
from sidegate.runtime.clock import elapsed
from sidegate.runtime.tasks import cancel_and_wait
from sidegate.telemetry.logging import get_log
from sidegate.telemetry.sync import UNOBSERVED, SyncEvent, SyncObserver

_LOG = get_log("membership")
MIN_PAUSE: Final = 0.01
MAX_PAUSE: Final = 0.05
"""Seconds after a poll in which hints wait: as long as the poll took, within these bounds."""


class ChangeReceiver(Protocol):
    """What receives the changes that a follower finds."""

    def apply_changes(self, tenant: str, changes: Sequence[RecordedChange]) -> None:
        """Take the newest changes of a tenant: whole revisions, in their order."""
        ...

    def invalidate_all(self) -> None:
        """Drop everything, also what is being read now: the store may hold something else."""
        ...


class Follower:
    """Polls the feed, immediately when asked to, and gives the changes to the snapshots.

    `recent_changes` shows others how far its view reaches.
    """

    def __init__(
        self,
        store: FactsStore,
        snapshots: ChangeReceiver,
        *,
        poll_interval: float,
        clock: Callable[[], float] = elapsed,
        observer: SyncObserver = UNOBSERVED,
    ) -> None:
        self._feed = Feed(store)
        self._snapshots = snapshots
        self._poll_interval = poll_interval
        self._clock = clock
        self._observer = observer
        self.recent_changes = RecentChanges()
        self._view_time = float("-inf")
        self._schema_changed = ""
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._ended = asyncio.Event()

    def __repr__(self) -> str:
        return f"Follower({self._feed}, staleness={self.staleness():.3f})"

    def now(self) -> float:
        """Return the time now, in seconds of the same clock as `view_time`."""
        return self._clock()

    @property
    def view_time(self) -> float:
        """The time of the facts in memory, or earlier than it: when the last complete poll began."""
        return self._view_time

    @property
    def anchor(self) -> RecordedChange | None:
        """The newest change that memory has followed, None where it is not known."""
        return self._feed.anchor

    def ahead_of(self, now: datetime) -> timedelta:
        """Return how far the newest change that was followed is ahead of a time; negative where it is behind."""
        anchor = self._feed.anchor
        return timedelta() if anchor is None else anchor.at - now

    def resume(self, anchor: RecordedChange) -> None:
        """Follow, with the first poll, all changes since the last one that an earlier process saw."""
        self._feed.resume(anchor)

    def staleness(self) -> float:
        """Return the age in seconds of the newest complete view; infinite before the first."""
        return self._clock() - self._view_time

    @property
    def schema_changed(self) -> str:
        """How another version changed the store's schema, so that this one can't follow it; "" if it did not."""
        return self._schema_changed

    def poll_now(self) -> None:
        """Poll immediately."""
        self._wanted.set()

    async def handle_hints(self, hints: Hints) -> None:
        """Poll whenever there is a hint, until cancelled; a change without a hint is found by the next poll."""
        async with aclosing(hints.listen()) as received:
            async for _ in received:
                self._observer.count(SyncEvent.HINT)
                self.poll_now()

    async def run(self) -> None:
        """Poll until cancelled; a store that fails only makes the view older, and is logged once."""
        failing: type[Unavailable] | None = None
        while True:
            began = self._clock()
            try:
                await self.catch_up()
            except Unavailable as error:
                if failing is not type(error):
                    event = "schema changed" if isinstance(error, SchemaChanged) else "store unavailable"
                    _LOG.warning(event, staleness=self.staleness(), error=str(error))
                failing = type(error)
            except Exception:  # noqa: BLE001 - the next poll may succeed; until then the staleness bound holds
                _LOG.error("poll failed", staleness=self.staleness(), exc_info=True)
            else:
                if failing:
                    _LOG.info("store available again")
                failing = None
            # However many hints come, requests have half of the time at least, and one poll serves several hints.
            await asyncio.sleep(min(max(self._clock() - began, MIN_PAUSE), MAX_PAUSE))
            await self._pause()

    async def catch_up(self) -> None:
        """See all changes that were committed before this call; callers that wait together share one poll.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._poll_after(self._running))
            # All callers may have been cancelled; the next poll reports the error again.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._next)

    async def poll_ended(self) -> None:
        """Wait until the next poll ends, whether it succeeds or fails."""
        await self._ended.wait()

    async def close(self) -> None:
        """End the polls in progress, so that nothing reads the store any more."""
        await cancel_and_wait({task for task in (self._running, self._next) if task is not None})

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._poll_interval):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def _poll_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait({running})
        self._running, self._next = self._next, None
        try:
            await self._poll()
        except BaseException as error:
            self._schema_changed = str(error) if isinstance(error, SchemaChanged) else ""
            self._observer.count(SyncEvent.POLL_FAILED)
            raise
        finally:
            this, self._ended = self._ended, asyncio.Event()
            this.set()

    async def _poll(self) -> None:
        began = self._clock()
        # This poll finds everything that was hinted at until now, whatever started it.
        self._wanted.clear()
        found = await self._feed.read()
        if found is not None:
            self._apply(found)
        else:
            self._snapshots.invalidate_all()
            if self._feed.gap:
                self._observer.count(SyncEvent.GAP)
                _LOG.warning("feed gap found", sequence=self._feed.sequence)
        self._view_time = began
        self._schema_changed = ""
        self.recent_changes.seen(self._feed.sequence, found)
        self._observer.count(SyncEvent.POLL)

    def _apply(self, found: Mapping[str, Sequence[RecordedChange]]) -> None:
        written: set[tuple[str, datetime]] = set()
        try:
            for tenant, changes in found.items():
                self._snapshots.apply_changes(tenant, changes)
                written.update((tenant, recorded.at) for recorded in changes)
        except BaseException:
            # The feed will not return these changes again: without this, memory would lack them forever.
            self._snapshots.invalidate_all()
            raise
        now = datetime.now(UTC)
        for _, at in written:
            self._observer.lagged(max(0.0, (now - at).total_seconds()))
