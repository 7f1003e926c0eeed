"""The changes that this sidecar saw last, for streams that wait for changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import attrgetter
from typing import Final

from sidegate.model.change import RecordedChange

ANY_TENANT: Final = ""
"""Every tenant."""
LIMIT: Final = 1000
"""Changes held in memory."""
_ORDER: Final = attrgetter("sequence")


class RecentChanges:
    """How far the feed was seen, and its newest changes while any stream waits for some.

    `sequence` is that of the newest change, 0 before the first poll. `epoch` grows each time the feed did not continue
    from where it was: cursors from before may be wrong then. However many streams wait, the follower alone polls.
    """

    def __init__(self, *, limit: int = LIMIT) -> None:
        self.sequence = 0
        self.epoch = 0
        self._limit = limit
        self._recent: list[RecordedChange] = []
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def __repr__(self) -> str:
        return f"RecentChanges(sequence={self.sequence}, held={len(self._recent)}, awaited={sorted(self._waiting)})"

    def seen(self, sequence: int, found: Mapping[str, Sequence[RecordedChange]] | None) -> None:
        """Record that all up to `sequence` was seen, with the new changes by tenant; None where those are not known."""
        fresh = sorted(chain.from_iterable((found or {}).values()), key=_ORDER)
        continues = found is not None and (not fresh or fresh[0].sequence == self.sequence + 1)
        self.epoch += found is None
        self._recent = [*(self._recent if continues else ()), *fresh][-self._limit :] if self._waiting else []
        self.sequence = sequence
        for tenant in (*found, ANY_TENANT) if found else ():
            for arrived in self._waiting.get(tenant, ()):
                arrived.set()

    def after(self, sequence: int) -> Sequence[RecordedChange] | None:
        """Return all changes that were seen after one, in order; None where memory does not reach back that far."""
        beginning = self.sequence - len(self._recent)
        return self._recent[sequence - beginning :] if sequence >= beginning else None

    @contextmanager
    def awaited(self, tenant: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set each time a change of the tenant is seen; the caller clears it."""
        arrived = asyncio.Event()
        waiting = self._waiting.setdefault(tenant, set())
        waiting.add(arrived)
        try:
            yield arrived
        finally:
            waiting.discard(arrived)
            if not waiting:
                del self._waiting[tenant]
