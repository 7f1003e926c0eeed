"""What a member holds: the resources that it owns, and those that lie in its own place (MS-12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sidegate.errors import DocumentsHeld
from sidegate.membership.command.context import CommandContext
from sidegate.model.change import EntryKind
from sidegate.model.page import Relation
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import OWNER, InstanceOf


async def holdings_of(context: CommandContext, member: str) -> tuple[str, ...]:
    """Return the references of what a member holds, sorted."""
    grants = await context.draft.related(Relation.GRANTS_OF, ref("member", member))
    owned = {key[1] for _, key in grants if key[0] == OWNER and key[1] != context.scope}
    places = _places(context, member)
    inside = await context.draft.related(Relation.CHILDREN, *places) if places else {}
    return tuple(sorted(owned | {key[0] for _, key in inside}))


async def hand_over(context: CommandContext, references: Iterable[str], *, former: str, heir: str) -> None:
    """Draft that another member owns resources in the place of the former one, and that they lie in its place."""
    wanted = tuple(references)
    await context.draft.load((EntryKind.RESOURCE, (reference,)) for reference in wanted)
    old, new = ref("member", former), ref("member", heir)
    await context.draft.load((EntryKind.GRANT, (OWNER, reference, who)) for reference in wanted for who in (old, new))
    moved = dict(zip(_places(context, former), _places(context, heir), strict=True))
    for reference in wanted:
        if await context.draft.entry(EntryKind.GRANT, OWNER, reference, old) is not None:
            context.draft.remove(EntryKind.GRANT, OWNER, reference, old)
            context.draft.put(EntryKind.GRANT, OWNER, reference, new, payload={})
        resource = await context.draft.entry(EntryKind.RESOURCE, reference)
        if resource is not None and moved.keys() & {*resource["parents"]}:
            parents = sorted(moved.get(parent, parent) for parent in resource["parents"])
            context.draft.put(EntryKind.RESOURCE, reference, payload={**resource, "parents": parents})


async def take_away(context: CommandContext, references: Iterable[str]) -> None:
    """Draft that registered resources are gone, with all that is held on them.

    Raises:
        DocumentsHeld: others stand in one of them.
    """
    wanted = sorted({*references})
    others = await _standing_in(context, wanted)
    if others:
        parent, count = others[0]
        raise DocumentsHeld(f"{count} resources stand in `{parent}`: delete or move them first", count=count)
    await context.draft.load((EntryKind.RESOURCE, (reference,)) for reference in wanted)
    for entity, key in await context.draft.related(Relation.GRANTS_ON, *wanted):
        context.draft.remove(entity, *key)
    for reference in wanted:
        if await context.draft.entry(EntryKind.RESOURCE, reference) is not None:
            context.draft.remove(EntryKind.RESOURCE, reference)


async def _standing_in(context: CommandContext, references: Sequence[str]) -> list[tuple[str, int]]:
    """Return which of some resources others than these stand in, each with how many."""
    await context.draft.related(Relation.CHILDREN, *references)  # all at once, so that none is asked for alone
    among = {(reference,) for reference in references}
    found = []
    for reference in references:
        inside = await context.draft.related(Relation.CHILDREN, reference)
        if count := sum(key not in among for _, key in inside):
            found.append((reference, count))
    return found


def _places(context: CommandContext, member: str) -> tuple[str, ...]:
    """Return the references of what is there with the member and can hold resources, such as its workspace."""
    parents = {parent for type_ in context.schema.resources.values() for parent in type_.parents}
    own = (type_ for type_ in context.schema.resources.values() if type_.instances is InstanceOf.MEMBER)
    return tuple(ref(type_.name, member) for type_ in own if type_.name in parents)
