"""Whether what a command has drafted may be stored: the checks of facts documents, on the entries that it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sidegate.errors import InvalidInput, LastHolder, Violation
from sidegate.facts.checks.case import Case
from sidegate.facts.validate import CHECKS
from sidegate.membership.command.draft import Draft
from sidegate.membership.command.request_fields import FieldOf, expected_existing
from sidegate.model.change import Change, EntryKind
from sidegate.model.entry import EntryKey, Payload, from_entries
from sidegate.model.facts import Grant
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import TENANT, Count, InstanceOf, Schema

HOLDERS: Mapping[str, EntryKind] = {"member": EntryKind.MEMBER, "group": EntryKind.GROUP}
"""The kinds of things that can hold a role or belong to a group."""
_INSTANCE_KINDS: Mapping[InstanceOf, EntryKind] = {
    InstanceOf.MEMBER: EntryKind.MEMBER,
    InstanceOf.GROUP: EntryKind.GROUP,
    InstanceOf.ROLE: EntryKind.ROLE,
}


async def read_references(draft: Draft, changes: Iterable[Change], schema: Schema) -> None:
    """Read what new and altered entries refer to, so that the checks see whether it exists."""
    made = [change for change in changes if change.after is not None]
    references: set[str] = set()
    for change in made:
        if change.entity is EntryKind.GRANT:
            references.update(change.key[1:])
        elif change.entity is EntryKind.GROUP_MEMBER:
            references.update((ref("group", change.key[0]), change.key[1]))
        elif change.entity is EntryKind.RESOURCE and change.after is not None:
            parents = change.after["parents"]
            references.update(map(str, parents) if isinstance(parents, list) else ())
    await draft.load(_entry_of(reference, schema) for reference in sorted(references))


def _entry_of(reference: str, schema: Schema) -> EntryKey:
    """Return the entry that must exist for a reference: a workspace exists with its member."""
    type_, id_ = split_ref(reference)
    declared = schema.resources.get(type_)
    entity = HOLDERS.get(type_) or (_INSTANCE_KINDS.get(declared.instances) if declared else None)
    return (entity, (id_,)) if entity else (EntryKind.RESOURCE, (reference,))


def require_valid(draft: Draft, changes: Sequence[Change], schema: Schema, *, field_of: FieldOf) -> None:
    """Refuse changes that the pack's schema forbids; `field_of` names the request's field of each fault.

    Only faults of changed entries count: of the other entries, the command has read no more than it needed.

    Raises:
        InvalidInput: a change breaks what the pack demands; names every one.
        LastHolder: a role that exactly one must hold would be held by none.
    """
    _require_holders(changes, schema)
    changed = {(change.entity, change.key) for change in changes if change.after is not None}
    known = draft.known()
    if (EntryKind.TENANT, ()) not in known:
        return
    facts = from_entries(draft.tenant, _as_stored_facts(known))
    grants = [Grant(*key) for entity, key in known if entity is EntryKind.GRANT]
    case = Case(facts, schema, grants=grants, remedy=expected_existing)
    found = [fault for check in CHECKS for fault in check(case) if (fault.entity, fault.key) in changed]
    if found:
        raise InvalidInput(*(Violation(field_of(fault), fault.message) for fault in found))


def _as_stored_facts(known: dict[EntryKey, Payload]) -> dict[EntryKey, Payload]:
    """Leave out members of groups that were not read, and invitations, which are not facts."""
    groups = {key[0] for entity, key in known if entity is EntryKind.GROUP}
    return {
        (entity, key): payload
        for (entity, key), payload in known.items()
        if entity is not EntryKind.INVITATION and (entity is not EntryKind.GROUP_MEMBER or key[0] in groups)
    }


def _require_holders(changes: Iterable[Change], schema: Schema) -> None:
    removed = {change.key for change in changes if change.entity is EntryKind.GRANT and change.after is None}
    granted = {change.key[:2] for change in changes if change.entity is EntryKind.GRANT and change.after is not None}
    deleted = {change.key[0] for change in changes if change.entity is EntryKind.RESOURCE and change.after is None}
    for role, scope, holder in sorted(removed):
        declared = schema.roles.get(role)
        if declared is None or declared.count is not Count.EXACTLY_ONE:
            continue
        if (role, scope) not in granted and scope not in deleted:
            where = "the tenant" if split_ref(scope)[0] == TENANT else f"`{scope}`"
            raise LastHolder(f"`{holder}` is the one holder of role `{role}` on {where}: hand it over first")
