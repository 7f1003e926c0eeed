"""Makes the next snapshot of a tenant from the last one and the changes between them, in time proportional to those."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rpds import HashTrieMap

from sidegate.engine.language.entity import Entity
from sidegate.errors import RowError
from sidegate.model.change import Change, EntryKind, RecordedChange
from sidegate.model.entry import is_suspended, member_from_entry
from sidegate.model.facts import Member
from sidegate.model.properties import Json
from sidegate.model.reference import ref, split_ref
from sidegate.model.revision import Revision
from sidegate.model.rules import Row
from sidegate.policy.pack.compile import CompiledPack
from sidegate.policy.pack.schema import TENANT, Schema
from sidegate.ports.engine import Program
from sidegate.replica.casbin_rows import entry_rows


@dataclass(frozen=True, slots=True)
class TenantSnapshot:
    """One tenant at one revision, compiled; it never changes.

    Snapshots of one `lineage` follow from each other by changes that left every resource's ancestors as they were.
    """

    tenant: str
    revision: Revision
    pack: CompiledPack
    suspended: bool
    entity: Entity
    members: HashTrieMap[str, Member]
    program: Program
    lineage: object


def tenant_entity(tenant: str, settings: Mapping[str, Json], schema: Schema) -> Entity:
    """Return the tenant as conditions see it: each declared setting, stored or by default."""
    defaults = {name: declared.default for name, declared in schema.settings.items()}
    stored = {name: value for name, value in settings.items() if name in defaults}
    return Entity({**defaults, **stored, "ref": ref(TENANT, tenant), "type": TENANT, "id": tenant})


def patched(
    snapshot: TenantSnapshot, changes: Sequence[RecordedChange], core_scopes: Collection[str]
) -> TenantSnapshot | None:
    """Return the snapshot after the changes of whole revisions; None where it must be loaded again.

    That is so where a revision is missing, the tenant is deleted or changes its pack, or a change does not fit.
    """
    first = snapshot.revision.number + 1
    later = [recorded for recorded in changes if recorded.revision >= first]
    numbers = dict.fromkeys(recorded.revision for recorded in later)
    if list(numbers) != list(range(first, first + len(numbers))):
        return None
    entity, members, lineage = snapshot.entity, snapshot.members, snapshot.lineage
    suspended = snapshot.suspended
    schema = snapshot.pack.pack.schema
    for recorded in later:
        change = recorded.change
        if change.entity is EntryKind.TENANT:
            if change.before is None or change.after is None or change.before["pack"] != change.after["pack"]:
                return None
            suspended, settings = is_suspended(change.after), change.after["settings"]
            entity = tenant_entity(snapshot.tenant, settings if isinstance(settings, dict) else {}, schema)
        elif change.entity is EntryKind.MEMBER:
            members = _member_changed(members, change)
        elif change.entity is EntryKind.RESOURCE and split_ref(change.key[0])[0] in schema.parents:
            lineage = object()
    try:
        program = _with_changes(snapshot, [recorded.change for recorded in later], core_scopes)
    except RowError:
        return None
    revision = later[-1].part_of if later else snapshot.revision
    moved = replace(snapshot, revision=revision, suspended=suspended, entity=entity, members=members)
    return replace(moved, program=program, lineage=lineage)


def changed_resources(changes: Sequence[RecordedChange]) -> Iterator[str]:
    """Yield the references of what changes are about: resources, and scopes of grants."""
    for recorded in changes:
        if recorded.change.entity is EntryKind.RESOURCE:
            yield recorded.change.key[0]
        elif recorded.change.entity is EntryKind.GRANT:
            yield recorded.change.key[1]


def _member_changed(members: HashTrieMap[str, Member], change: Change) -> HashTrieMap[str, Member]:
    (id_,) = change.key
    if change.after is None:
        return members.discard(id_)
    return members.insert(id_, member_from_entry(id_, change.after))


def _with_changes(snapshot: TenantSnapshot, changes: Sequence[Change], core_scopes: Collection[str]) -> Program:
    """Return the program with the rows of all changes; a row that is added and removed again cancels out.

    Raises:
        RowError: a row to remove is not there.
    """
    counts: dict[Row, int] = {}
    schema = snapshot.pack.pack.schema
    for change in changes:
        entry = change.entity, change.key
        for row in entry_rows(entry, change.before, schema, core_scopes):
            counts[row] = counts.get(row, 0) - 1
        for row in entry_rows(entry, change.after, schema, core_scopes):
            counts[row] = counts.get(row, 0) + 1
    added = [row for row, count in counts.items() if count > 0]
    removed = [row for row, count in counts.items() if count < 0]
    return snapshot.program.with_rows(added, removed) if added or removed else snapshot.program
