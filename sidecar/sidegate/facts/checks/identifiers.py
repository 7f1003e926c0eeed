"""Identifiers that a document adds: none has an invisible character."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sidegate.facts.entry_fault import EntryFault
from sidegate.model.change import Change, EntryKind
from sidegate.model.identifiers import refused_character


def check_added_identifiers(tenant: str, changes: Iterable[Change]) -> Iterator[EntryFault]:
    """Yield a fault for each added identifier with an invisible character; stored ones may stay or be deleted."""
    for change in changes:
        for identifier in _added(tenant, change):
            if message := refused_character(identifier):
                yield EntryFault(change.entity, change.key, message)


def _added(tenant: str, change: Change) -> Iterator[str]:
    if change.after is None:
        return
    if change.before is None:
        yield from (tenant,) if change.entity is EntryKind.TENANT else change.key
    if change.entity is EntryKind.RESOURCE:
        yield from sorted(_parents(change.after) - _parents(change.before or {}))


def _parents(payload: object) -> set[str]:
    parents = payload.get("parents") if isinstance(payload, dict) else None
    return {parent for parent in parents if isinstance(parent, str)} if isinstance(parents, list) else set()
