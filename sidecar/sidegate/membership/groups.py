"""Groups: made, renamed and deleted; members and groups put in and taken out (MS-06)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sidegate.errors import AlreadyExists, DocumentsHeld, InvalidInput, NotFound, Violation
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.membership.command.step import Caller, CommandContext
from sidegate.membership.grant_rules import require_over_group
from sidegate.model.change import EntryKind
from sidegate.model.page import Relation
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import InstanceOf, Operation


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group as it is; `members` are references, sorted, and none where they were not asked for."""

    id: str
    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Who shall stand in a group, and who no more: references of members and groups."""

    group: str
    added: Collection[str] = ()
    removed: Collection[str] = ()


class Groups:
    """The use cases of groups."""

    def __init__(self, commander: CommandRunner, reader: ReadRunner) -> None:
        self._commander = commander
        self._reader = reader

    async def get(self, tenant: str, group: str, caller: Caller) -> GroupState:
        """Return a group with its members.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such group.
        """

        async def look(step: CommandContext) -> GroupState:
            await step.ask_about(Operation.GET_GROUP, {InstanceOf.GROUP: group})
            found = await step.draft.entry(EntryKind.GROUP, group)
            if found is None:
                raise NotFound(f"there is no group `{group}` in tenant `{tenant}`")
            inside = await step.draft.related(Relation.INSIDE, group)
            return GroupState(group, found["name"], tuple(sorted(key[1] for _, key in inside)))

        return await self._reader.read(tenant, caller, look)

    async def list(self, tenant: str, caller: Caller, *, after: str, limit: int) -> Sequence[GroupState]:
        """Return a page of groups, by ID, without their members.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant.
        """

        async def look(step: CommandContext) -> Sequence[GroupState]:
            await step.ask(Operation.LIST_GROUPS)
            found = await step.draft.read(lambda store: store.page(tenant, EntryKind.GROUP, after=after, limit=limit))
            return [GroupState(key[0], str(payload["name"])) for (_, key), payload in found.items()]

        return await self._reader.read(tenant, caller, look)

    async def create(
        self, tenant: str, group: GroupState, caller: Caller, respond: Callable[[GroupState], bytes]
    ) -> Written:
        """Make a group, with members where any are given.

        Raises:
            NotPermitted: the pack denies it.
            AlreadyExists: there is a group of this ID.
            InvalidInput: a member of it is not there.
        """

        async def plan(step: CommandContext) -> GroupState:
            await step.ask(Operation.CREATE_GROUP)
            if await step.draft.entry(EntryKind.GROUP, group.id) is not None:
                raise AlreadyExists(f"there is a group `{group.id}` already")
            step.draft.put(EntryKind.GROUP, group.id, payload={"name": group.name})
            await _put_in(step, group.id, group.members)
            return await _state(step, group.id)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def rename(
        self, tenant: str, group: GroupState, caller: Caller, respond: Callable[[GroupState], bytes]
    ) -> Written:
        """Give a group another name for people.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such group.
        """

        async def plan(step: CommandContext) -> GroupState:
            await step.ask(Operation.UPDATE_GROUP, group.id)
            await _require_there(step, group.id)
            step.draft.put(EntryKind.GROUP, group.id, payload={"name": group.name})
            return await _state(step, group.id)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def change(
        self,
        tenant: str,
        change: GroupChange,
        caller: Caller,
        respond: Callable[[GroupState], bytes],
    ) -> Written:
        """Put members and groups into a group, and take others out.

        Raises:
            NotPermitted: the pack denies it, or the actor has no authority over a role that the group holds.
            NotFound: there is no such group, or who is to be taken out does not stand in it.
            InvalidInput: who is to be put in is not there, or the group would stand in itself.
        """
        group = change.group

        async def plan(step: CommandContext) -> GroupState:
            await step.ask(Operation.UPDATE_GROUP, group)
            await _require_there(step, group)
            await require_over_group(step, group)
            await _put_in(step, group, change.added)
            for holder in change.removed:
                if await step.draft.entry(EntryKind.GROUP_MEMBER, group, holder) is None:
                    raise NotFound(f"`{holder}` does not stand in group `{group}`")
                step.draft.remove(EntryKind.GROUP_MEMBER, group, holder)
            return await _state(step, group)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def delete(self, tenant: str, group: str, caller: Caller, respond: Callable[[None], bytes]) -> Written:
        """Delete a group with all that it holds.

        Raises:
            NotPermitted: the pack denies it, or the actor has no authority over a role that the group holds.
            NotFound: there is no such group.
            DocumentsHeld: documents stand in its folder.
        """

        async def plan(step: CommandContext) -> None:
            await step.ask(Operation.DELETE_GROUP, group)
            await _require_there(step, group)
            await require_over_group(step, group)
            reference = ref("group", group)
            inside = await step.draft.related(Relation.CHILDREN, reference)
            if inside:
                message = f"{len(inside)} documents stand in the folder of group `{group}`: move them first"
                raise DocumentsHeld(message, count=len(inside))
            held = [Relation.GRANTS_OF, Relation.GROUPS_OF, Relation.GRANTS_ON]
            for relation, value in ((Relation.INSIDE, group), *((relation, reference) for relation in held)):
                for entity, key in await step.draft.related(relation, value):
                    step.draft.remove(entity, *key)
            step.draft.remove(EntryKind.GROUP, group)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)


async def _require_there(step: CommandContext, group: str) -> None:
    if await step.draft.entry(EntryKind.GROUP, group) is None:
        raise NotFound(f"there is no group `{group}` in tenant `{step.tenant}`")


async def _put_in(step: CommandContext, group: str, holders: Collection[str]) -> None:
    kinds = {"member": EntryKind.MEMBER, "group": EntryKind.GROUP}
    above = await step.groups_above(ref("group", group))
    await step.draft.load((EntryKind.GROUP_MEMBER, (group, holder)) for holder in holders)
    for position, holder in enumerate(holders):
        field = f"members[{position}]"
        type_, id_ = split_ref(holder)
        if type_ not in kinds or await step.draft.entry(kinds[type_], id_) is None:
            raise InvalidInput(Violation(field, f"`{holder}` is not there: expected `member:<id>` or `group:<id>`"))
        if holder in above or holder == ref("group", group):
            raise InvalidInput(Violation(field, f"`{holder}` would stand in itself: expected no cycle of groups"))
        step.draft.put(EntryKind.GROUP_MEMBER, group, holder, payload={})


async def _state(step: CommandContext, group: str) -> GroupState:
    inside = await step.draft.related(Relation.INSIDE, group)
    payload = await step.draft.entry(EntryKind.GROUP, group) or {}
    return GroupState(group, payload["name"], tuple(sorted(key[1] for _, key in inside)))
