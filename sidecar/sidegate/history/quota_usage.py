"""How much quota was used over time, by members and by groups (MS-08, MS-13)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sidegate.history.changes import changes_within, require_ever
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.read import ReadRunner
from sidegate.model.change import ChangeQuery, RecordedChange
from sidegate.model.entry import quota_subject
from sidegate.model.quota import QuotaTotal, UsageQuery
from sidegate.model.reference import split_ref
from sidegate.policy.pack.schema import InstanceOf, Operation
from sidegate.ports.history_store import HistoryStore


class QuotaHistory:
    """Reports the use of quota; that of a deleted tenant is for the platform only."""

    def __init__(self, store: HistoryStore, reader: ReadRunner) -> None:
        self._store = store
        self._reader = reader

    async def totals(
        self, tenant: str, query: UsageQuery, call: Call, *, after: tuple[date, str], limit: int
    ) -> Sequence[QuotaTotal]:
        """Return up to `limit` totals by period and holder, beyond a period's start and a holder.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there never was such a tenant.
            StoreUnavailable: the store does not answer.
        """

        async def read(step: CommandContext) -> Sequence[QuotaTotal]:
            await _require_right(step, query.holder)
            return await step.draft.read(lambda _: self._store.quota_totals(tenant, query, after=after, limit=limit))

        found = await self._reader.run(tenant, call, read)
        await require_ever(self._store, tenant, found)
        return found

    async def entries(
        self, tenant: str, query: UsageQuery, call: Call, *, after: int, limit: int
    ) -> Sequence[RecordedChange]:
        """Return up to `limit` changes of quota, the oldest first, beyond the sequence `after`.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there never was such a tenant.
            StoreUnavailable: the store does not answer.
        """
        subject = quota_subject(query.holder) if query.holder else quota_subject()
        changes = ChangeQuery((subject,), since=query.since, until=query.until, oldest_first=True)

        async def read(step: CommandContext) -> Sequence[RecordedChange]:
            await _require_right(step, query.holder)
            return await changes_within(step, self._store, changes, after=after, limit=limit)

        found = await self._reader.run(tenant, call, read)
        await require_ever(self._store, tenant, found)
        return found


async def _require_right(step: CommandContext, holder: str) -> None:
    """Ask about the one member, else about the quota of all: a group's usage reveals that of each of its members."""
    if step.call.is_platform:
        return
    type_, id_ = split_ref(holder)
    await step.ask_about(Operation.VIEW_QUOTA, {InstanceOf.MEMBER: id_} if type_ == "member" else {})
