"""What this sidecar has seen last, for those who wait for changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import attrgetter
from typing import Final

from sidegate.model.change import RecordedChange

ANY_TENANT: Final = ""
"""Stands for every tenant."""
KEPT: Final = 1000
_ORDER: Final = attrgetter("sequence")


class RecentChanges:
    """Knows how far the feed was seen, and the newest changes while somebody waits for any.

    `sequence` is that of the newest change, 0 before the first look. `epoch` is another one each time the feed did not
    go on from where it was: what was known of its places before may be so no more. However many wait, looking at the
    store stays the business of one.
    """

    def __init__(self, *, kept: int = KEPT) -> None:
        self.sequence = 0
        self.epoch = 0
        self._kept = kept
        self._recent: list[RecordedChange] = []
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def __repr__(self) -> str:
        return f"RecentChanges(sequence={self.sequence}, kept={len(self._recent)}, awaited={sorted(self._waiting)})"

    def seen(self, sequence: int, found: Mapping[str, Sequence[RecordedChange]] | None) -> None:
        """Tell that everything up to `sequence` was seen, and what was new by tenant; None where that can't be told."""
        fresh = sorted(chain.from_iterable((found or {}).values()), key=_ORDER)
        goes_on = found is not None and (not fresh or fresh[0].sequence == self.sequence + 1)
        self.epoch += found is None
        self._recent = [*(self._recent if goes_on else ()), *fresh][-self._kept :] if self._waiting else []
        self.sequence = sequence
        for tenant in (*found, ANY_TENANT) if found else ():
            for arrived in self._waiting.get(tenant, ()):
                arrived.set()

    def after(self, sequence: int) -> Sequence[RecordedChange] | None:
        """Return all that was seen after a change, in order; None where memory does not reach back so far."""
        beginning = self.sequence - len(self._recent)
        return self._recent[sequence - beginning :] if sequence >= beginning else None

    @contextmanager
    def awaited(self, tenant: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set each time something new of the tenant was seen; whoever waits clears it."""
        arrived = asyncio.Event()
        waiting = self._waiting.setdefault(tenant, set())
        waiting.add(arrived)
        try:
            yield arrived
        finally:
            waiting.discard(arrived)
            if not waiting:
                del self._waiting[tenant]
