"""The order in which the rows of a program are evaluated."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from sidegate.engine.casbin.model import Combination, Definition
from sidegate.engine.casbin.rows import quoted
from sidegate.errors import RowError
from sidegate.model.rules import Row

SortKey: TypeAlias = Callable[[Row], int]


def sort_key_of(definition: Definition, section: str, links: Iterable[Row]) -> SortKey | None:
    """Return the sort key of a policy section's rows, None where they are evaluated in the given order.

    A `priority` field orders them, the least number first; under subjectPriority the depth of the first
    field's name in the hierarchy of `links`, the rows of `g`, does. Both keep the given order of equals.

    Raises:
        RowError: the hierarchy has a cycle; (the key) a priority that is not a whole number.
    """
    fields = definition.policies[section]
    if "priority" in fields:
        return _by_priority(fields.index("priority") + 1)
    if Combination.SUBJECT_PRIORITY not in definition.effects.values():
        return None
    levels = subject_levels(links, domain=definition.roles["g"].domain)
    domain = fields.index("dom") + 1 if "dom" in fields else None
    return lambda row: levels.get(("" if domain is None else row[domain], row[1]), 0)


def _by_priority(column: int) -> SortKey:
    def key(row: Row) -> int:
        text = row[column]
        if not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004 - as wide as 64 bits
            raise RowError(f"row {quoted(row)} has the priority `{text[:40]}`; it must be a whole number from 0 up")
        return int(text)

    return key


def subject_levels(links: Iterable[Row], *, domain: bool) -> Mapping[tuple[str, str], int]:
    """Return (domain, name) -> level in the hierarchy; roles that nobody holds have level 0.

    Raises:
        RowError: the hierarchy has a cycle.
    """
    pairs = {((row[3] if domain else "", row[1]), (row[3] if domain else "", row[2])) for row in links}
    waiting = set(itertools.chain.from_iterable(pairs))
    levels: dict[tuple[str, str], int] = {}
    level = 0
    while pairs:
        ready = waiting - {parent for _, parent in pairs}
        if not ready:
            raise RowError(f"the subject hierarchy has a cycle through `{min(waiting)[1]}`")
        levels |= dict.fromkeys(ready, level)
        pairs = {pair for pair in pairs if pair[0] not in ready}
        waiting -= ready
        level += 1
    return levels | dict.fromkeys(waiting, level)
