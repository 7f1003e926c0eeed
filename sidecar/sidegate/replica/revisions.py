"""Which revisions are in the history of tenants, so that a rolled-back revision is recognised."""

from __future__ import annotations

import asyncio
from typing import Final

from sidegate.model.revision import Revision
from sidegate.ports.facts_store import RevisionReader
from sidegate.runtime.lru import BoundedMap

REMEMBERED: Final = 10_000
"""Revisions held in memory, over all tenants."""
READS: Final = 4
"""Reads of the store in parallel, each of one row."""


class RevisionHistory:
    """Holds the revisions that were followed, and reads older ones from the store, once.

    After a store was restored the same numbers belong to other states, so that a greater number alone proves nothing.
    """

    def __init__(self, store: RevisionReader) -> None:
        self._store = store
        self._reading = asyncio.Semaphore(READS)
        self.invalidate_all()

    def __repr__(self) -> str:
        return f"RevisionHistory({self._known})"

    def record(self, tenant: str, revision: Revision) -> None:
        """Remember a revision of a tenant."""
        self._known.put((tenant, revision.number), revision)

    def invalidate_all(self) -> None:
        """Drop everything, also what is being read now: the store may hold another history."""
        self._known: BoundedMap[tuple[str, int], Revision] = BoundedMap(REMEMBERED)

    async def reached(self, tenant: str, wanted: Revision, *, here: Revision) -> bool:
        """Return whether the history of a tenant that is at revision `here` contains the wanted revision.

        Raises:
            StoreUnavailable: the store had to be read and does not answer.
        """
        if wanted.number >= here.number:
            return wanted == here
        return wanted.time < here.time and await self.contains(tenant, wanted)

    async def contains(self, tenant: str, revision: Revision) -> bool:
        """Return whether a revision is in a tenant's history, also in that of a deleted tenant.

        Raises:
            StoreUnavailable: the store had to be read and does not answer.
        """
        while True:
            known = self._known
            found = known.get((tenant, revision.number))
            if found is None:
                async with self._reading:
                    found = await self._store.revision(tenant, revision.number)
                if found is not None:
                    known.put((tenant, revision.number), found)
            if known is self._known:
                return found == revision
