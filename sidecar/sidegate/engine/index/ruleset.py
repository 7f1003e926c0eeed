"""The rules of one policy section: its rows in the order of evaluation, each with what was compiled for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final, Protocol

from rpds import HashTrieMap, HashTrieSet

from sidegate.engine.casbin.order import SortKey
from sidegate.engine.index.steps import IndexedRule
from sidegate.model.rules import Row


class RowCompiler(Protocol):
    """Compiles what the rows of a section hold."""

    @property
    def needed(self) -> bool:
        """Whether the rows hold anything to compile."""
        ...

    def compile(self, row: Row, ordinal: int) -> tuple[Any, ...]:
        """Compile the conditions and patterns of a row; the number is the row's ordinal, for errors."""


_ORDINAL_BITS: Final = 44


class Ruleset:
    """Rules by rank: a frozen base, rules added later, and the ranks of removed base rules. Immutable."""

    __slots__ = ("_added", "_base", "_compiler", "_key", "_next", "_removed")

    def __init__(self, compiler: RowCompiler, key: SortKey | None) -> None:
        self._compiler = compiler
        self._key = key
        self._base: tuple[IndexedRule, ...] = ()
        self._added: HashTrieMap[int, IndexedRule] = HashTrieMap()
        self._removed: HashTrieSet[int] = HashTrieSet()
        self._next = 0

    def __len__(self) -> int:
        return len(self._base) + len(self._added) - len(self._removed)

    def __iter__(self) -> Iterator[IndexedRule]:
        base = (entry for entry in self._base if entry[0] not in self._removed) if self._removed else iter(self._base)
        if not self._added:
            return base
        return iter(sorted([*base, *self._added.values()], key=itemgetter(0)))

    @property
    def removed(self) -> HashTrieSet[int]:
        """The ranks of removed rules that the indexes still contain."""
        return self._removed

    @property
    def needs_rebuild(self) -> bool:
        """Whether more than half of the base was removed, so that building a new base pays off."""
        return 2 * len(self._removed) > len(self._base)

    def entries(self, rows: Iterable[tuple[int, Row]]) -> list[IndexedRule]:
        """Return (ordinal, row) pairs as rules that come after all others of their priority.

        Raises:
            RowError: a condition, pattern or priority that is wrong.
        """
        key, number, compile_row = self._key, self._next, self._compiler.compile
        if key is None and not self._compiler.needed:
            return [(rank, row[1:], ()) for rank, (_, row) in enumerate(rows, start=number)]
        found = []
        for rank, (ordinal, row) in enumerate(rows, start=number):
            position = rank if key is None else (key(row) << _ORDINAL_BITS) | rank
            found.append((position, row[1:], compile_row(row, ordinal)))
        return found

    def rebuilt(self, entries: Sequence[IndexedRule]) -> Ruleset:
        """Return a ruleset of these rules and `entries`, all of them in its base."""
        ruleset = Ruleset(self._compiler, self._key)
        ruleset._base = tuple(sorted([*self, *entries], key=itemgetter(0)))
        ruleset._next = self._next + len(entries)
        return ruleset

    def changed(self, added: Sequence[IndexedRule], removed: Sequence[IndexedRule]) -> Ruleset:
        """Return a ruleset that shares its base with this one."""
        ruleset = Ruleset(self._compiler, self._key)
        later, excluded = self._added, self._removed
        for rule in removed:
            if rule[0] in later:
                later = later.remove(rule[0])
            else:
                excluded = excluded.insert(rule[0])
        for rule in added:
            later = later.insert(rule[0], rule)
        ruleset._base, ruleset._added, ruleset._removed = self._base, later, excluded
        ruleset._next = self._next + len(added)
        return ruleset

    def is_added(self, entry: IndexedRule) -> bool:
        """Whether a rule was added after the base was built."""
        return entry[0] in self._added
