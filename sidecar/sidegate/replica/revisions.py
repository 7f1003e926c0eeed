"""Which revisions tenants have passed through, so that one of a lost time is not taken for one of theirs."""

from __future__ import annotations

import asyncio
from typing import Final

from sidegate.model.revision import Revision
from sidegate.ports.facts_store import RevisionReader
from sidegate.runtime.lru import BoundedMap

REMEMBERED: Final = 10_000
"""Revisions that are known without the store being asked, over all tenants."""
ASKED: Final = 4
"""Questions to the store at once, each of one row."""


class RevisionHistory:
    """Knows the revisions that were followed, and asks the store about older ones, once.

    After a store was restored its numbers stand for other states, so that a greater number alone tells nothing.
    """

    def __init__(self, store: RevisionReader) -> None:
        self._store = store
        self._asking = asyncio.Semaphore(ASKED)
        self.invalidate_all()

    def __repr__(self) -> str:
        return f"RevisionHistory({self._known})"

    def record(self, tenant: str, revision: Revision) -> None:
        """Remember that a tenant came to a revision."""
        self._known.put((tenant, revision.number), revision)

    def invalidate_all(self) -> None:
        """Let go of everything, also of what is being asked right now: the store may hold another history."""
        self._known: BoundedMap[tuple[str, int], Revision] = BoundedMap(REMEMBERED)

    async def reached(self, tenant: str, wanted: Revision, *, here: Revision) -> bool:
        """Return whether a tenant that is `here` has come through the wanted revision, or just to it.

        Raises:
            StoreUnavailable: the store had to be asked and does not answer.
        """
        if wanted.number >= here.number:
            return wanted == here
        return wanted.time < here.time and await self.contains(tenant, wanted)

    async def contains(self, tenant: str, revision: Revision) -> bool:
        """Return whether a revision is in a tenant's history, also in that of one that is gone.

        Raises:
            StoreUnavailable: the store had to be asked and does not answer.
        """
        while True:
            known = self._known
            found = known.get((tenant, revision.number))
            if found is None:
                async with self._asking:
                    found = await self._store.revision(tenant, revision.number)
                if found is not None:
                    known.put((tenant, revision.number), found)
            if known is self._known:
                return found == revision
