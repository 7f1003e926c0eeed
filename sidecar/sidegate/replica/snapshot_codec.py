"""Snapshots and changes as plain JSON values, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypeAlias

from rpds import HashTrieMap

from sidegate.engine.language.entity import Entity, properties_of
from sidegate.model.change import Cause, Change, EntryKind, RecordedChange
from sidegate.model.entry import member_from_entry, member_payload
from sidegate.model.revision import Revision
from sidegate.policy.pack.registry import PackRegistry
from sidegate.replica.checksum import checksum
from sidegate.replica.patches import TenantSnapshot

Saved: TypeAlias = Mapping[str, Any]


def snapshot_to_json(snapshot: TenantSnapshot) -> Iterator[object]:
    """Yield all that a snapshot holds beside its pack: its head with its checksum, then members, then rows."""
    rows = Counter(snapshot.program.rows()) - Counter(snapshot.pack.program.rows())
    yield {
        "tenant": snapshot.tenant,
        "revision": [snapshot.revision.number, snapshot.revision.time],
        "pack": snapshot.pack.pack.schema.name,
        "digest": snapshot.pack.pack.digest,
        "suspended": snapshot.suspended,
        "entity": dict(properties_of(snapshot.entity)),
        "members": len(snapshot.members),
        "checksum": checksum(snapshot),
    }
    for id_, member in snapshot.members.items():
        yield id_, member_payload(member)
    yield from rows.elements()


def snapshot_from_json(saved: Iterator[Any], packs: PackRegistry) -> TenantSnapshot | None:
    """Return the snapshot that was saved; None where its pack is another one by now.

    Raises:
        RowError: a row does not fit the pack.
    """
    head = next(saved)
    pack = packs.get(head["pack"])
    if pack is None or pack.pack.digest != head["digest"]:
        return None
    members = {id_: member_from_entry(id_, payload) for id_, payload in islice(saved, head["members"])}
    snapshot = TenantSnapshot(
        tenant=head["tenant"],
        revision=Revision(*head["revision"]),
        pack=pack,
        suspended=head["suspended"],
        entity=Entity(head["entity"]),
        members=HashTrieMap(members),
        program=pack.program.with_rows(added=map(tuple, saved)),
        lineage=object(),
    )
    return snapshot if checksum(snapshot) == head["checksum"] else None


def change_to_json(recorded: RecordedChange) -> Saved:
    """Return a change as a plain value."""
    change = recorded.change
    return {
        "sequence": recorded.sequence,
        "tenant": recorded.tenant,
        "revision": recorded.revision,
        "entity": change.entity.value,
        "key": list(change.key),
        "before": None if change.before is None else dict(change.before),
        "after": None if change.after is None else dict(change.after),
        "cause": change.cause.value,
        "actor": recorded.actor,
        "caller": recorded.caller,
        "at": recorded.at.isoformat(),
    }


def change_from_json(saved: Saved) -> RecordedChange:
    """Return the change that a plain value holds."""
    change = Change(
        EntryKind(saved["entity"]), tuple(saved["key"]), saved["before"], saved["after"], cause=Cause(saved["cause"])
    )
    return RecordedChange(
        sequence=saved["sequence"],
        tenant=saved["tenant"],
        revision=saved["revision"],
        change=change,
        actor=saved["actor"],
        caller=saved["caller"],
        at=datetime.fromisoformat(saved["at"]),
    )
