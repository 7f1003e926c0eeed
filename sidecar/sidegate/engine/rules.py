"""The rules of one policy section: its rows in the order of decision, each with what was compiled for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from rpds import HashTrieMap, HashTrieSet

from sidegate.engine.order import SortKey
from sidegate.engine.steps import Entry
from sidegate.model import Row

Compile: TypeAlias = Callable[[Row, int], tuple[Any, ...]]
"""Compiles what a row holds, such as its condition; the number is the row's ordinal, for errors."""
_ORDINAL_BITS: Final = 44


class Ruleset:
    """Rules by rank: a frozen base, those added since, and the ranks of base rules taken out. It never changes."""

    __slots__ = ("_added", "_base", "_compile", "_gone", "_key", "_next", "_ranks")

    def __init__(self, compile_row: Compile, key: SortKey | None) -> None:
        self._compile = compile_row
        self._key = key
        self._base: tuple[Entry, ...] = ()
        self._added: HashTrieMap[int, Entry] = HashTrieMap()
        self._gone: HashTrieSet[int] = HashTrieSet()
        self._next = 0

    def __len__(self) -> int:
        return len(self._base) + len(self._added) - len(self._gone)

    def __iter__(self) -> Iterator[Entry]:
        base = (entry for entry in self._base if entry[0] not in self._gone) if self._gone else iter(self._base)
        if not self._added:
            return base
        return iter(sorted([*base, *self._added.values()], key=_rank))

    @property
    def gone(self) -> HashTrieSet[int]:
        """The ranks of rules that still stand in indexes but were taken out."""
        return self._gone

    def entries(self, rows: Iterable[tuple[int, Row]]) -> list[Entry]:
        """Return (ordinal, row) pairs as rules that come after all others of their priority.

        Raises:
            RowError: a condition, pattern or priority that is wrong.
        """
        key, compile_row, number = self._key, self._compile, self._next
        found = []
        for ordinal, row in rows:
            rank = number if key is None else (key(row) << _ORDINAL_BITS) | number
            found.append((rank, row[1:], compile_row(row, ordinal)))
            number += 1
        return found

    def rebuilt(self, entries: Sequence[Entry]) -> Ruleset:
        """Return a ruleset of these rules and `entries`, all in its base."""
        ruleset = Ruleset(self._compile, self._key)
        ruleset._base = tuple(sorted([*self, *entries], key=_rank))
        ruleset._next = self._next + len(entries)
        return ruleset

    def changed(self, added: Sequence[Entry], removed: Sequence[Entry]) -> Ruleset:
        """Return a ruleset that shares its base with this one."""
        ruleset = Ruleset(self._compile, self._key)
        after, gone = self._added, self._gone
        for entry in removed:
            if entry[0] in after:
                after = after.remove(entry[0])
            else:
                gone = gone.insert(entry[0])
        for entry in added:
            after = after.insert(entry[0], entry)
        ruleset._base, ruleset._added, ruleset._gone = self._base, after, gone
        ruleset._next = self._next + len(added)
        return ruleset

    def is_added(self, entry: Entry) -> bool:
        """Whether a rule stands outside the base."""
        return entry[0] in self._added


def _rank(entry: Entry) -> int:
    return entry[0]
