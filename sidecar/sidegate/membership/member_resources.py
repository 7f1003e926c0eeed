"""The resources of a member: those that it owns, and those in its own containers, such as its workspace (MS-12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sidegate.errors import DocumentsHeld
from sidegate.membership.command.context import CommandContext
from sidegate.model.change import EntryKind
from sidegate.model.page import Relation
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import OWNER, InstanceOf


async def resources_of(context: CommandContext, member: str) -> tuple[str, ...]:
    """Return the references of a member's resources, sorted."""
    grants = await context.draft.related(Relation.GRANTS_OF, ref("member", member))
    owned = {key[1] for _, key in grants if key[0] == OWNER and key[1] != context.scope}
    containers = _own_containers(context, member)
    inside = await context.draft.related(Relation.CHILDREN, *containers) if containers else {}
    return tuple(sorted(owned | {key[0] for _, key in inside}))


async def transfer_resources(
    context: CommandContext, references: Iterable[str], *, former: str, new_owner: str
) -> None:
    """Draft that resources belong to another member, and move them from the containers of the former to its own."""
    wanted = tuple(references)
    await context.draft.load((EntryKind.RESOURCE, (reference,)) for reference in wanted)
    old, new = ref("member", former), ref("member", new_owner)
    await context.draft.load((EntryKind.GRANT, (OWNER, reference, who)) for reference in wanted for who in (old, new))
    moved = dict(zip(_own_containers(context, former), _own_containers(context, new_owner), strict=True))
    for reference in wanted:
        if await context.draft.entry(EntryKind.GRANT, OWNER, reference, old) is not None:
            context.draft.remove(EntryKind.GRANT, OWNER, reference, old)
            context.draft.put(EntryKind.GRANT, OWNER, reference, new, payload={})
        resource = await context.draft.entry(EntryKind.RESOURCE, reference)
        if resource is not None and moved.keys() & {*resource["parents"]}:
            parents = sorted(moved.get(parent, parent) for parent in resource["parents"])
            context.draft.put(EntryKind.RESOURCE, reference, payload={**resource, "parents": parents})


async def delete_resources(context: CommandContext, references: Iterable[str]) -> None:
    """Draft the deletion of registered resources, with all grants on them.

    Raises:
        DocumentsHeld: other resources are in one of them.
    """
    wanted = sorted({*references})
    others = await _children_outside(context, wanted)
    if others:
        parent, count = others[0]
        raise DocumentsHeld(f"{count} resources are in `{parent}`: delete or move them first", count=count)
    await context.draft.load((EntryKind.RESOURCE, (reference,)) for reference in wanted)
    for entity, key in await context.draft.related(Relation.GRANTS_ON, *wanted):
        context.draft.remove(entity, *key)
    for reference in wanted:
        if await context.draft.entry(EntryKind.RESOURCE, reference) is not None:
            context.draft.remove(EntryKind.RESOURCE, reference)


async def _children_outside(context: CommandContext, references: Sequence[str]) -> list[tuple[str, int]]:
    """Return which of the resources have children that are not among them, each with their number."""
    await context.draft.related(Relation.CHILDREN, *references)  # all in one read
    among = {(reference,) for reference in references}
    found = []
    for reference in references:
        inside = await context.draft.related(Relation.CHILDREN, reference)
        if count := sum(key not in among for _, key in inside):
            found.append((reference, count))
    return found


def _own_containers(context: CommandContext, member: str) -> tuple[str, ...]:
    """Return the references of what exists with the member and can contain resources, such as its workspace."""
    parents = {parent for type_ in context.schema.resources.values() for parent in type_.parents}
    own = (type_ for type_ in context.schema.resources.values() if type_.instances is InstanceOf.MEMBER)
    return tuple(ref(type_.name, member) for type_ in own if type_.name in parents)
