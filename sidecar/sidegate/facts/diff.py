"""From stored facts to wanted ones: the changes between them, in an order that never leaves a dangling reference."""

from __future__ import annotations

from collections.abc import Mapping

from sidegate.model.change import Change, EntryKind
from sidegate.model.entry import Entries, EntryKey, Payload, to_entries
from sidegate.model.facts import TenantFacts
from sidegate.model.properties import Json

_RANKS: Mapping[EntryKind, int] = {
    EntryKind.TENANT: 0,
    EntryKind.MEMBER: 1,
    EntryKind.INVITATION: 2,
    EntryKind.GROUP: 3,
    EntryKind.GROUP_MEMBER: 4,
    EntryKind.ROLE: 5,
    EntryKind.RESOURCE: 6,
    EntryKind.GRANT: 7,
}


_OPEN = frozenset({"settings", "properties"})
"""The parts of payloads whose values may be of any kind."""


def difference(old: TenantFacts | None, new: TenantFacts) -> tuple[Change, ...]:
    """Return the changes that make `old` (None: not there yet) into `new`; none where the two are equal.

    Created and updated entries come first, the kinds that others refer to before the kinds that refer to them; then
    the deleted ones, in reverse order. So no change refers to a holder, group or scope that is already deleted.
    """
    return between({} if old is None else to_entries(old), to_entries(new))


def between(before: Entries, after: Entries) -> tuple[Change, ...]:
    """Return the changes from some entries to others, in the same order."""
    put = [entry for entry, payload in after.items() if entry not in before or _differs(before[entry], payload)]
    deleted = [entry for entry in before if entry not in after]
    ordered = (*sorted(put, key=_rank), *sorted(deleted, key=_rank, reverse=True))
    return tuple(Change(*entry, before=before.get(entry), after=after.get(entry)) for entry in ordered)


def _rank(entry: EntryKey) -> tuple[int, tuple[str, ...]]:
    entity, key = entry
    return _RANKS[entity], key


def _differs(left: Payload, right: Payload) -> bool:
    return left != right or any(_is_other_kind(left[name], right[name]) for name in _OPEN & left.keys())


def _is_other_kind(left: Json, right: Json) -> bool:
    """Return whether two equal values differ as JSON: `true` and `1` differ here, unlike in Python."""
    if isinstance(left, dict) and isinstance(right, dict):
        return any(_is_other_kind(value, right[name]) for name, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return any(map(_is_other_kind, left, right))
    return isinstance(left, bool) != isinstance(right, bool)
