"""Facts as they were, rebuilt from the changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sidegate.errors import InvalidInput, Violation
from sidegate.facts.write import write_facts
from sidegate.model.facts import TenantFacts
from sidegate.model.revision import Revision
from sidegate.ports.history_store import HistoryStore


class PastFacts:
    """Exports tenants as they were, also deleted ones."""

    def __init__(self, store: HistoryStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    async def export(self, tenants: Sequence[str], as_of: Revision | datetime) -> str:
        """Return the document of these tenants as of a revision or a time; at a time, all where none is named.

        Raises:
            InvalidInput: the revision is not known, the time is in the future, or a tenant did not exist then.
            StoreUnavailable: the store does not answer.
        """
        if isinstance(as_of, Revision):
            facts = [await self._at_revision(tenant, as_of) for tenant in tenants]
        else:
            facts = await self._at_time(tenants, as_of)
        return await asyncio.to_thread(write_facts, facts)

    async def _at_revision(self, tenant: str, revision: Revision) -> TenantFacts:
        if revision != await self._store.revision(tenant, revision.number):
            message = f"tenant `{tenant}` has no such revision: expected one that a write returned"
            raise InvalidInput(Violation("at_revision", message))
        facts = await self._store.load_at(tenant, revision.number)
        if facts is None:
            raise InvalidInput(Violation("at_revision", f"tenant `{tenant}` was removed by then"))
        return facts

    async def _at_time(self, tenants: Sequence[str], at: datetime) -> list[TenantFacts]:
        if at > self._clock():
            raise InvalidInput(Violation("at_time", f"`{at.isoformat()}` is in the future: expected a time before now"))
        found: dict[str, TenantFacts] = {}
        for tenant in tenants or await self._store.tenants_ever():
            revision = await self._store.revision_at(tenant, at)
            facts = await self._store.load_at(tenant, revision) if revision else None
            if facts is not None:
                found[tenant] = facts
        absent = [
            Violation(f"tenants[{position}]", f"there was no tenant `{tenant}` at that time")
            for position, tenant in enumerate(tenants)
            if tenant not in found
        ]
        if absent:
            raise InvalidInput(*absent)
        return [*found.values()]
