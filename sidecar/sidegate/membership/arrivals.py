"""Wakes those who wait for changes, once this sidecar has seen them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

ANY_TENANT: Final = ""
"""Stands for every tenant."""


class Arrivals:
    """Knows how far the feed was seen; `sequence` is that of the newest change, 0 before the first look.

    However many wait, looking at the store stays the business of one.
    """

    def __init__(self) -> None:
        self.sequence = 0
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def __repr__(self) -> str:
        return f"Arrivals(sequence={self.sequence}, awaited={sorted(self._waiting)})"

    def seen(self, sequence: int, tenants: Iterable[str]) -> None:
        """Tell that everything up to `sequence` was seen, and of which tenants there was something new."""
        self.sequence = sequence
        changed = set(tenants)
        for tenant in (*changed, ANY_TENANT) if changed else ():
            for arrived in self._waiting.get(tenant, ()):
                arrived.set()

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
