"""The changes of a tenant, also of a deleted one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from sidegate.errors import NotFound, RevisionConflict
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.read import ReadRunner
from sidegate.model.change import ChangeQuery, RecordedChange
from sidegate.model.reference import split_ref
from sidegate.policy.pack.schema import InstanceOf, Operation
from sidegate.ports.history_store import HistoryStore


class History:
    """Lists the recorded changes of tenants; those of a deleted tenant are for the platform only."""

    def __init__(self, store: HistoryStore, reader: ReadRunner) -> None:
        self._store = store
        self._reader = reader

    async def list(
        self, tenant: str, query: ChangeQuery, call: Call, *, after: int, limit: int
    ) -> Sequence[RecordedChange]:
        """Return up to `limit` changes that the query asks for, in its order, beyond the sequence `after`.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there never was such a tenant.
            StoreUnavailable: the store does not answer.
        """

        async def read(step: CommandContext) -> Sequence[RecordedChange]:
            if not call.is_platform:
                await _require_right(step, query)
            return await changes_within(step, self._store, query, after=after, limit=limit)

        found = await self._reader.run(tenant, call, read)
        await require_ever(self._store, tenant, found)
        return found


async def changes_within(
    step: CommandContext, store: HistoryStore, query: ChangeQuery, *, after: int, limit: int
) -> Sequence[RecordedChange]:
    """Return the changes that a query asks for; a member gets none newer than the facts that allowed the read.

    Raises:
        RevisionConflict: another writer came in between.
    """
    found = await store.history(step.tenant, query, after=after, limit=limit)
    if not step.call.is_platform and any(recorded.revision > step.draft.revision.number for recorded in found):
        raise RevisionConflict(f"the tenant `{step.tenant}` changed while its history was read")
    return found


async def require_ever(store: HistoryStore, tenant: str, found: Sequence[object]) -> None:
    """Require that the tenant exists or existed, if nothing was found of it.

    Raises:
        NotFound: there never was one.
    """
    if not found and not await store.revision_at(tenant):
        raise NotFound(f"there never was a tenant `{tenant}`")


async def _require_right(step: CommandContext, query: ChangeQuery) -> None:
    """Ask about the member that the changes name or that made them, or the team (MS-04, MS-07), else about all."""
    named = chain(query.subjects, [query.actor])
    member = next((split_ref(one)[1] for one in named if one.startswith("member:")), None)
    if member is not None:
        await step.ask_about(Operation.VIEW_HISTORY, {InstanceOf.MEMBER: member})
    elif query.actor_group:
        await step.ask_about(Operation.VIEW_ACTIVITY, {InstanceOf.GROUP: query.actor_group})
    else:
        await step.ask(Operation.VIEW_AUDIT)
