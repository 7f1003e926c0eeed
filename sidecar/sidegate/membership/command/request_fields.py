"""The fields of a request that drafted entries come from, so that errors name what the caller sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

from sidegate.facts.entry_fault import EntryFault

T = TypeVar("T")
FieldOf: TypeAlias = Callable[[EntryFault], str]
"""Returns the path of the request's field that the faulty part of an entry comes from."""
_EXPECTED: Final[Mapping[str, str]] = {
    "members": "an existing member",
    "groups": "an existing group",
    "roles": "an existing role",
    "resources": "a registered resource",
}


def fixed(field: str) -> FieldOf:
    """Return a function that names the same field for every fault."""
    return lambda _: field


def item_of(field: str, items: Sequence[T], item: T) -> str | None:
    """Return the path of the first equal item of a repeated field, such as `members[2]`; None if there is none."""
    return f"{field}[{items.index(item)}]" if item in items else None


def expected_existing(section: str, _: str) -> str:
    """Return what a request may name where it named something that does not exist; `section` is that of its kind."""
    return f"expected {_EXPECTED[section]}"
