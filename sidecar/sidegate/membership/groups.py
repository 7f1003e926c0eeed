"""Groups: created, renamed and deleted; their members added and removed (MS-06)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sidegate.errors import AlreadyExists, DocumentsHeld, InvalidInput, NotFound, Violation
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.request_fields import FieldOf, item_of
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.membership.grant_rules import require_over_group
from sidegate.model.change import EntryKind
from sidegate.model.page import Relation
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import InstanceOf, Operation


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group as it is; `members` are references, sorted, empty if they were not asked for."""

    id: str
    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupChange:
    """The members and groups to add to a group and to remove from it, as references."""

    group: str
    added: Collection[str] = ()
    removed: Collection[str] = ()


class Groups:
    """The use cases of groups."""

    def __init__(self, commands: CommandRunner, reads: ReadRunner) -> None:
        self._commands = commands
        self._reads = reads

    async def get(self, tenant: str, group: str, call: Call) -> GroupState:
        """Return a group with its members.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such group.
        """

        async def read(context: CommandContext) -> GroupState:
            await context.ask_about(Operation.GET_GROUP, {InstanceOf.GROUP: group})
            found = await context.draft.entry(EntryKind.GROUP, group)
            if found is None:
                raise NotFound(f"there is no group `{group}` in tenant `{tenant}`")
            inside = await context.draft.related(Relation.INSIDE, group)
            return GroupState(group, found["name"], tuple(sorted(key[1] for _, key in inside)))

        return await self._reads.run(tenant, call, read)

    async def list(self, tenant: str, call: Call, *, after: str, limit: int) -> Sequence[GroupState]:
        """Return a page of groups, by ID, without their members.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant.
        """

        async def read(context: CommandContext) -> Sequence[GroupState]:
            await context.ask(Operation.LIST_GROUPS)
            found = await context.draft.read(
                lambda store: store.page(tenant, EntryKind.GROUP, after=after, limit=limit)
            )
            return [GroupState(key[0], str(payload["name"])) for (_, key), payload in found.items()]

        return await self._reads.run(tenant, call, read)

    async def create(self, tenant: str, group: GroupState, call: Call) -> Written[GroupState]:
        """Create a group, with members if any are given.

        Raises:
            NotPermitted: the pack denies it.
            AlreadyExists: there is a group of this ID.
            InvalidInput: a member of it does not exist.
        """

        async def plan(context: CommandContext) -> GroupState:
            await context.ask(Operation.CREATE_GROUP)
            if await context.draft.entry(EntryKind.GROUP, group.id) is not None:
                raise AlreadyExists(f"there is a group `{group.id}` already")
            context.draft.put(EntryKind.GROUP, group.id, payload={"name": group.name})
            await _add_members(context, group.id, group.members)
            return await _state(context, group.id)

        return await self._commands.run(tenant, call, plan=plan, field_of=_members_field(group.members))

    async def rename(self, tenant: str, group: GroupState, call: Call) -> Written[GroupState]:
        """Rename a group: its display name changes, its ID does not.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such group.
        """

        async def plan(context: CommandContext) -> GroupState:
            await context.ask(Operation.UPDATE_GROUP, group.id)
            await _require_group(context, group.id)
            context.draft.put(EntryKind.GROUP, group.id, payload={"name": group.name})
            return await _state(context, group.id)

        return await self._commands.run(tenant, call, plan=plan)

    async def change(self, tenant: str, change: GroupChange, call: Call) -> Written[GroupState]:
        """Add members and groups to a group, and remove others.

        Raises:
            NotPermitted: the pack denies it, or the actor has no authority over a role that the group holds.
            NotFound: there is no such group, or what is to be removed does not belong to it.
            InvalidInput: what is to be added does not exist, or the group would contain itself.
        """
        group = change.group

        async def plan(context: CommandContext) -> GroupState:
            await context.ask(Operation.UPDATE_GROUP, group)
            await _require_group(context, group)
            await require_over_group(context, group)
            await _add_members(context, group, change.added)
            for holder in dict.fromkeys(change.removed):
                if await context.draft.entry(EntryKind.GROUP_MEMBER, group, holder) is None:
                    raise NotFound(f"`{holder}` does not belong to group `{group}`")
                context.draft.remove(EntryKind.GROUP_MEMBER, group, holder)
            return await _state(context, group)

        return await self._commands.run(tenant, call, plan=plan, field_of=_members_field([*change.added]))

    async def delete(self, tenant: str, group: str, call: Call) -> Written[None]:
        """Delete a group with all that it holds.

        Raises:
            NotPermitted: the pack denies it, or the actor has no authority over a role that the group holds.
            NotFound: there is no such group.
            DocumentsHeld: there are documents in its folder.
        """

        async def plan(context: CommandContext) -> None:
            await context.ask(Operation.DELETE_GROUP, group)
            await _require_group(context, group)
            await require_over_group(context, group)
            reference = ref("group", group)
            inside = await context.draft.related(Relation.CHILDREN, reference)
            if inside:
                message = f"{len(inside)} documents are in the folder of group `{group}`: move them first"
                raise DocumentsHeld(message, count=len(inside))
            held = [Relation.GRANTS_OF, Relation.GROUPS_OF, Relation.GRANTS_ON]
            for relation, value in ((Relation.INSIDE, group), *((relation, reference) for relation in held)):
                for entity, key in await context.draft.related(relation, value):
                    context.draft.remove(entity, *key)
            context.draft.remove(EntryKind.GROUP, group)

        return await self._commands.run(tenant, call, plan=plan)


async def _require_group(context: CommandContext, group: str) -> None:
    if await context.draft.entry(EntryKind.GROUP, group) is None:
        raise NotFound(f"there is no group `{group}` in tenant `{context.tenant}`")


async def _add_members(context: CommandContext, group: str, holders: Collection[str]) -> None:
    kinds = {"member": EntryKind.MEMBER, "group": EntryKind.GROUP}
    above = await context.groups_above(ref("group", group))
    await context.draft.load((EntryKind.GROUP_MEMBER, (group, holder)) for holder in holders)
    for position, holder in enumerate(holders):
        field = f"members[{position}]"
        type_, id_ = split_ref(holder)
        if type_ not in kinds or await context.draft.entry(kinds[type_], id_) is None:
            raise InvalidInput(Violation(field, f"`{holder}` is not there: expected `member:<id>` or `group:<id>`"))
        if holder in above or holder == ref("group", group):
            raise InvalidInput(Violation(field, f"`{holder}` would contain itself: expected no cycle of groups"))
        context.draft.put(EntryKind.GROUP_MEMBER, group, holder, payload={})


async def _state(context: CommandContext, group: str) -> GroupState:
    inside = await context.draft.related(Relation.INSIDE, group)
    payload = await context.draft.entry(EntryKind.GROUP, group) or {}
    return GroupState(group, payload["name"], tuple(sorted(key[1] for _, key in inside)))


def _members_field(members: Sequence[str]) -> FieldOf:
    return lambda fault: item_of("members", members, fault.key[-1]) or "name"
