"""The changes that lead from some facts to others, and back from changes to facts."""

from collections.abc import Iterable

from sidegate.model.change import Change, EntryKind, RecordedChange
from sidegate.model.entry import EntryKey, Payload, from_entries, to_entries
from sidegate.model.facts import TenantFacts


def changes_between(before: TenantFacts | None, after: TenantFacts) -> list[Change]:
    """Return every change from `before`, None for a tenant that is not there yet, to `after`."""
    old = {} if before is None else to_entries(before)
    new = to_entries(after)
    keys = [*new, *(key for key in old if key not in new)]
    return [Change(*key, before=old.get(key), after=new.get(key)) for key in keys if old.get(key) != new.get(key)]


def replayed(tenant: str, recorded: Iterable[RecordedChange]) -> TenantFacts | None:
    """Return the facts of a tenant that its recorded changes, in their order, lead to; None if it was deleted."""
    entries: dict[EntryKey, Payload] = {}
    for change in (item.change for item in recorded if item.tenant == tenant):
        if change.after is not None:
            entries[change.entity, change.key] = change.after
        elif change.entity is EntryKind.TENANT:
            entries.clear()
        else:
            del entries[change.entity, change.key]
    return from_entries(tenant, entries) if entries else None
