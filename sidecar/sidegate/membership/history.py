"""What changed in a tenant, also in one that is gone."""

from __future__ import annotations

from collections.abc import Sequence

from sidegate.errors import NotFound
from sidegate.model import ChangeQuery, RecordedChange
from sidegate.ports import HistoryStore


class History:
    """Tells the recorded changes of tenants."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store

    async def list(self, tenant: str, query: ChangeQuery, *, after: int, limit: int) -> Sequence[RecordedChange]:
        """Return up to `limit` changes that the query asks for, in its order, beyond the sequence `after`.

        Raises:
            NotFound: there never was such a tenant.
            StoreUnavailable: the store does not answer.
        """
        found = await self._store.history(tenant, query, after=after, limit=limit)
        if not found and not await self._store.revision_at(tenant):
            raise NotFound(f"there never was a tenant `{tenant}`")
        return found
