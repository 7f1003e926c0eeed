"""What is wrong with a tenant's facts, before anyone asks where they were written."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from sidegate.model.change import EntryKind
from sidegate.model.entry import Key

_TOO_MANY_TO_COMPARE = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a stored thing; `detail` leads further inside it, such as to a property's name."""

    entity: EntryKind
    key: Key
    message: str
    detail: tuple[str, ...] = ()


def near(name: str, known: Collection[str], otherwise: str) -> str:
    """Return a suggestion of the stored name that comes near, or what else would be right.

    Among very many names none is looked for: each comparison costs, and each fault would pay for all.
    """
    close = get_close_matches(name, known, n=1) if len(known) <= _TOO_MANY_TO_COMPARE else []
    return f"did you mean `{close[0]}`?" if close else otherwise


def one_of(names: Collection[str]) -> str:
    """Return the names that would be right, as the end of a message."""
    if not names:
        return "there is none"
    return "expected " + ("one of " if len(names) > 1 else "") + ", ".join(f"`{name}`" for name in sorted(names))
