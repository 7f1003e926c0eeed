"""A fault of a stored entry, without the file and line that it came from."""

from __future__ import annotations

from dataclasses import dataclass

from sidegate.model.change import EntryKind
from sidegate.model.entry import Key


@dataclass(frozen=True, slots=True)
class EntryFault:
    """One fault of an entry; `detail` is a path inside it, such as a property's name."""

    entity: EntryKind
    key: Key
    message: str
    detail: tuple[str, ...] = ()
