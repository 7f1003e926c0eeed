"""Which changes a request asks for, whether it lists or watches them."""

from __future__ import annotations

from typing import Final

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.model.change import ChangeQuery, EntryKind
from sidegate.model.reference import ref
from sidegate.server.wire.validation import Inspection, quoted

_KINDS: Final = tuple(entity.value for entity in EntryKind)


def read_conditions(message: pb.ListChangesRequest | pb.WatchChangesRequest, inspection: Inspection) -> ChangeQuery:
    """Return the conditions of a request without times; what is not right goes to `inspection`."""
    subjects: list[str] = []
    # The subject that the fewest changes name comes first: a document before a member, a role last.
    for field in ("member", "group", "role"):
        if id_ := getattr(message, field):
            inspection.identifier(field, id_, stored=True)
            subjects.append(ref(field, id_))
    if message.resource:
        inspection.identifier("resource", message.resource, stored=True)
        if ":" not in message.resource:
            inspection.add("resource", f"{quoted(message.resource)} is not right: expected `<type>:<id>`")
        subjects.insert(0, message.resource)
    inspection.label("actor", message.actor)
    inspection.label("caller", message.caller)
    known = message.kind in _KINDS
    if message.kind and not known:
        inspection.add("kind", f"{quoted(message.kind)} is no kind: expected one of {', '.join(_KINDS)}")
    entity = EntryKind(message.kind) if known else None
    return ChangeQuery(tuple(subjects), actor=message.actor, caller=message.caller, entity=entity)
