"""Workspaces and folders as a monitor sees them: by activity and counts, not by contents (MS-11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sidegate.errors import NotFound
from sidegate.history.changes import changes_within
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.read import ReadRunner
from sidegate.model.change import ChangeQuery, EntryKind
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import InstanceOf
from sidegate.ports.history_store import HistoryStore

_STORED_AS: Final[Mapping[InstanceOf, EntryKind]] = {
    InstanceOf.MEMBER: EntryKind.MEMBER,
    InstanceOf.GROUP: EntryKind.GROUP,
    InstanceOf.ROLE: EntryKind.ROLE,
}


@dataclass(frozen=True, slots=True)
class Monitored:
    """How many resources of each type an instance holds, and when its owners last changed anything, if ever."""

    counts: Mapping[str, int]
    last_change_at: datetime | None = None


class Monitoring:
    """Counts what is in an instance, without listing it."""

    def __init__(self, store: HistoryStore, reader: ReadRunner) -> None:
        self._store = store
        self._reader = reader

    async def count(self, tenant: str, reference: str, call: Call) -> Monitored:
        """Return how many resources an instance, such as a workspace, holds.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such thing.
        """

        async def count(step: CommandContext) -> Monitored:
            await step.ask_monitor(reference)
            await _require_there(step, reference)
            counts = await step.draft.read(lambda store: store.counts(tenant, reference))
            query = _activity(step, reference)
            newest = await changes_within(step, self._store, query, after=0, limit=1) if query else ()
            return Monitored(counts, newest[0].at if newest else None)

        return await self._reader.run(tenant, call, count)


def _instances(step: CommandContext, reference: str) -> InstanceOf:
    declared = step.schema.resources.get(split_ref(reference)[0])
    return declared.instances if declared else InstanceOf.RESOURCES


def _activity(step: CommandContext, reference: str) -> ChangeQuery | None:
    """Return the query of the changes made by the owners of an instance; None if it has no owner."""
    _, id_ = split_ref(reference)
    match _instances(step, reference):
        case InstanceOf.MEMBER:
            return ChangeQuery(actor=ref("member", id_))
        case InstanceOf.GROUP:
            return ChangeQuery(actor_group=id_)
        case _:
            return None


async def _require_there(step: CommandContext, reference: str) -> None:
    entity = _STORED_AS.get(_instances(step, reference), EntryKind.RESOURCE)
    key = reference if entity is EntryKind.RESOURCE else split_ref(reference)[1]
    if await step.draft.entry(entity, key) is None:
        raise NotFound(f"there is no `{reference}` in tenant `{step.tenant}`")
