"""The port of the store's history, also of tenants that were deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from sidegate.model.change import ChangeQuery, RecordedChange
from sidegate.model.facts import TenantFacts
from sidegate.model.quota import QuotaTotal, UsageQuery
from sidegate.model.revision import Revision
from sidegate.ports.facts_store import RevisionReader


class HistoryStore(RevisionReader, Protocol):
    """Reads past states, also of deleted tenants.

    All raise StoreUnavailable where the store does not answer.
    """

    async def history(self, tenant: str, query: ChangeQuery, *, after: int, limit: int) -> Sequence[RecordedChange]:
        """Return up to `limit` changes that the query asks for, in its order, beyond the sequence `after`.

        0 is before the first one, in either order.
        """
        ...

    async def quota_totals(
        self, tenant: str, query: UsageQuery, *, after: tuple[date, str], limit: int
    ) -> tuple[Sequence[QuotaTotal], Revision]:
        """Return up to `limit` totals by period and holder, beyond a start and a holder; and the tenant's revision.

        A period counts only the days of the query, and is returned only if something was used in it.
        """
        ...

    async def revision_at(self, tenant: str, at: datetime | None = None) -> int:
        """Return the number of the newest revision up to a time, also if it removed the tenant; 0 for none."""
        ...

    async def load_at(self, tenant: str, number: int) -> TenantFacts | None:
        """Return the facts of a tenant at a revision; None if it did not exist then."""
        ...

    async def tenants_ever(self) -> Sequence[str]:
        """Return the IDs of all tenants that exist or existed, sorted."""
        ...
