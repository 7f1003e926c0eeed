"""Follows the store's changes, and knows how old its view of them is."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from sidegate.errors import Unavailable
from sidegate.membership.arrivals import Arrivals
from sidegate.model import RecordedChange
from sidegate.ports import FactsStore
from sidegate.telemetry.logging import get_log

_LOG = get_log("membership")
PAGE = 1000
"""Changes read at once."""


class Following(Protocol):
    """What a follower tells of changes."""

    def follow(self, tenant: str, changes: Sequence[RecordedChange]) -> None:
        """Take the newest changes of a tenant: whole revisions, in their order."""
        ...


class Follower:
    """Polls the store for changes and hands them to the snapshots.

    `staleness()` is the age in seconds of the last view of the store that was complete; `arrivals` tells others
    how far it reaches.
    """

    def __init__(
        self,
        store: FactsStore,
        snapshots: Following,
        *,
        poll_interval: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._poll_interval = poll_interval
        self._clock = clock
        self.arrivals = Arrivals()
        self._sequence: int | None = None
        self._seen_at = float("-inf")
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Follower(sequence={self._sequence}, staleness={self.staleness():.3f})"

    def staleness(self) -> float:
        """Return the age in seconds of the newest complete view; infinite before the first."""
        return self._clock() - self._seen_at

    async def run(self) -> None:
        """Look again and again until cancelled; an ailing store only makes the view older."""
        while True:
            try:
                await self.catch_up()
            except Unavailable as error:
                _LOG.warning("the store does not answer", staleness=self.staleness(), error=str(error))
            except Exception:  # noqa: BLE001 - whatever it was, the next look may see; until then the bound holds
                _LOG.error("following the store failed", staleness=self.staleness(), exc_info=True)
            await asyncio.sleep(self._poll_interval)

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

    async def _look_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait({running})
        self._running, self._next = self._next, None
        await self._look()

    async def _look(self) -> None:
        began = self._clock()
        if self._sequence is None:
            # Nothing is in memory yet that an older change could outdate.
            self._sequence = await self._store.head()
            self.arrivals.seen(self._sequence, ())
        else:
            await self._read_on(self._sequence)
        self._seen_at = began

    async def _read_on(self, sequence: int) -> None:
        """Read all changes after `sequence`; only then are the revisions in them whole."""
        found: defaultdict[str, list[RecordedChange]] = defaultdict(list)
        while True:
            changes = await self._store.changes_after(sequence, limit=PAGE)
            for recorded in changes:
                found[recorded.tenant].append(recorded)
                sequence = recorded.sequence
            if len(changes) < PAGE:
                break
        for tenant, recorded_changes in found.items():
            self._snapshots.follow(tenant, recorded_changes)
        self._sequence = sequence
        self.arrivals.seen(sequence, found)
