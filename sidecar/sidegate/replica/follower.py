"""Follows the store's changes, and knows how old its view of them is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, Protocol

from sidegate.errors import Unavailable
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
SHORTEST_REST: Final = 0.01
LONGEST_REST: Final = 0.05
"""Seconds after a look in which no hint is heeded: as many as it took, within these bounds."""


class ChangeReceiver(Protocol):
    """What a follower tells of changes."""

    def apply_changes(self, tenant: str, changes: Sequence[RecordedChange]) -> None:
        """Take the newest changes of a tenant: whole revisions, in their order."""
        ...

    def invalidate_all(self) -> None:
        """Let go of everything, also of what is being read right now: the store may hold something else."""
        ...


class Follower:
    """Reads the feed again and again, at once where it is told to, and hands the changes to the snapshots.

    `arrivals` tells others how far its view reaches.
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
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._ended = asyncio.Event()

    def __repr__(self) -> str:
        return f"Follower({self._feed}, staleness={self.staleness():.3f})"

    def now(self) -> float:
        """Return the moment, in seconds of the clock that `view_time` is told by."""
        return self._clock()

    @property
    def view_time(self) -> float:
        """The moment that memory shows at least: when the last complete look began."""
        return self._view_time

    @property
    def anchor(self) -> RecordedChange | None:
        """The newest change that memory has followed, None where it is not known."""
        return self._feed.anchor

    def resume(self, anchor: RecordedChange) -> None:
        """Follow, with the first look, all changes since the one that an earlier process saw last."""
        self._feed.resume(anchor)

    def staleness(self) -> float:
        """Return the age in seconds of the newest complete view; infinite before the first."""
        return self._clock() - self._view_time

    def poll_now(self) -> None:
        """Look as soon as may be."""
        self._wanted.set()

    async def handle_hints(self, hints: Hints) -> None:
        """Look whenever there is a hint, until cancelled; what no hint told the next poll finds."""
        async with aclosing(hints.listen()) as told:
            async for _ in told:
                self._observer.count(SyncEvent.HINT)
                self.poll_now()

    async def run(self) -> None:
        """Look again and again until cancelled; an ailing store only makes the view older, and is told once."""
        ails = False
        while True:
            began = self._clock()
            try:
                await self.catch_up()
            except Unavailable as error:
                if not ails:
                    _LOG.warning("the store does not answer", staleness=self.staleness(), error=str(error))
                ails = True
            except Exception:  # noqa: BLE001 - whatever it was, the next look may see; until then the bound holds
                _LOG.error("following the store failed", staleness=self.staleness(), exc_info=True)
            else:
                if ails:
                    _LOG.info("the store answers again")
                ails = False
            # However many hints come, half of the time at least is left to those who ask, and one look is for several.
            await asyncio.sleep(min(max(self._clock() - began, SHORTEST_REST), LONGEST_REST))
            await self._pause()

    async def catch_up(self) -> None:
        """See all changes that were committed before this call; callers that wait together share one look.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._look_after(self._running))
            # Whoever waited may have been cancelled; the next look tells the error again.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._next)

    async def poll_ended(self) -> None:
        """Wait until the next look ends, well or not."""
        await self._ended.wait()

    async def close(self) -> None:
        """End the looks that are under way, so that nothing asks the store any more."""
        await cancel_and_wait({task for task in (self._running, self._next) if task is not None})

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._poll_interval):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def _look_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait({running})
        self._running, self._next = self._next, None
        try:
            await self._look()
        except BaseException:
            self._observer.count(SyncEvent.POLL_FAILED)
            raise
        finally:
            this, self._ended = self._ended, asyncio.Event()
            this.set()

    async def _look(self) -> None:
        began = self._clock()
        # Whatever was hinted at until now this look finds, whoever asked for it.
        self._wanted.clear()
        found = await self._feed.read()
        if found is not None:
            self._hand_on(found)
        else:
            self._snapshots.invalidate_all()
            if self._feed.gap:
                self._observer.count(SyncEvent.GAP)
                _LOG.warning("feed gap found", sequence=self._feed.sequence)
        self._view_time = began
        self.recent_changes.seen(self._feed.sequence, found)
        self._observer.count(SyncEvent.POLL)

    def _hand_on(self, found: Mapping[str, Sequence[RecordedChange]]) -> None:
        written: set[tuple[str, datetime]] = set()
        try:
            for tenant, changes in found.items():
                self._snapshots.apply_changes(tenant, changes)
                written.update((tenant, recorded.at) for recorded in changes)
        except BaseException:
            # The feed has gone on: what could not be handed on now would be missing in memory for good.
            self._snapshots.invalidate_all()
            raise
        now = datetime.now(UTC)
        for _, at in written:
            self._observer.lagged(max(0.0, (now - at).total_seconds()))
