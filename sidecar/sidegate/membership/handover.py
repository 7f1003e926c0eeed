"""What a member holds: the resources that it owns, and those that lie in its own place (MS-12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sidegate.errors import DocumentsHeld
from sidegate.membership.command.step import CommandContext
from sidegate.model.change import EntryKind
from sidegate.model.page import Relation
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import OWNER, InstanceOf


async def holdings_of(step: CommandContext, member: str) -> tuple[str, ...]:
    """Return the references of what a member holds, sorted."""
    grants = await step.draft.related(Relation.GRANTS_OF, ref("member", member))
    owned = {key[1] for _, key in grants if key[0] == OWNER and key[1] != step.scope}
    places = _places(step, member)
    inside = await step.draft.related(Relation.CHILDREN, *places) if places else {}
    return tuple(sorted(owned | {key[0] for _, key in inside}))


async def hand_over(step: CommandContext, references: Iterable[str], *, former: str, heir: str) -> None:
    """Draft that another member owns resources in the place of the former one, and that they lie in its place."""
    wanted = tuple(references)
    await step.draft.load((EntryKind.RESOURCE, (reference,)) for reference in wanted)
    old, new = ref("member", former), ref("member", heir)
    await step.draft.load((EntryKind.GRANT, (OWNER, reference, who)) for reference in wanted for who in (old, new))
    moved = dict(zip(_places(step, former), _places(step, heir), strict=True))
    for reference in wanted:
        if await step.draft.entry(EntryKind.GRANT, OWNER, reference, old) is not None:
            step.draft.remove(EntryKind.GRANT, OWNER, reference, old)
            step.draft.put(EntryKind.GRANT, OWNER, reference, new, payload={})
        resource = await step.draft.entry(EntryKind.RESOURCE, reference)
        if resource is not None and moved.keys() & {*resource["parents"]}:
            parents = sorted(moved.get(parent, parent) for parent in resource["parents"])
            step.draft.put(EntryKind.RESOURCE, reference, payload={**resource, "parents": parents})


async def take_away(step: CommandContext, references: Iterable[str]) -> None:
    """Draft that registered resources are gone, with all that is held on them.

    Raises:
        DocumentsHeld: others stand in one of them.
    """
    wanted = sorted({*references})
    others = await _standing_in(step, wanted)
    if others:
        parent, count = others[0]
        raise DocumentsHeld(f"{count} resources stand in `{parent}`: delete or move them first", count=count)
    await step.draft.load((EntryKind.RESOURCE, (reference,)) for reference in wanted)
    for entity, key in await step.draft.related(Relation.GRANTS_ON, *wanted):
        step.draft.remove(entity, *key)
    for reference in wanted:
        if await step.draft.entry(EntryKind.RESOURCE, reference) is not None:
            step.draft.remove(EntryKind.RESOURCE, reference)


async def _standing_in(step: CommandContext, references: Sequence[str]) -> list[tuple[str, int]]:
    """Return which of some resources others than these stand in, each with how many."""
    await step.draft.related(Relation.CHILDREN, *references)  # all at once, so that none is asked for alone
    among = {(reference,) for reference in references}
    found = []
    for reference in references:
        inside = await step.draft.related(Relation.CHILDREN, reference)
        if count := sum(key not in among for _, key in inside):
            found.append((reference, count))
    return found


def _places(step: CommandContext, member: str) -> tuple[str, ...]:
    """Return the references of what is there with the member and can hold resources, such as its workspace."""
    parents = {parent for type_ in step.schema.resources.values() for parent in type_.parents}
    own = (type_ for type_ in step.schema.resources.values() if type_.instances is InstanceOf.MEMBER)
    return tuple(ref(type_.name, member) for type_ in own if type_.name in parents)
