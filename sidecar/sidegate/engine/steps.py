"""The compiled steps of an index: which key a rule stands under, and which keys a request opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

from sidegate.engine.closures import Closure
from sidegate.engine.evaluation import Evaluation
from sidegate.engine.patterns import Pattern

Entry: TypeAlias = tuple[int, tuple[str, ...], tuple[Any, ...]]
"""A rule in an index: its rank in the order of rules, its values, and what was compiled for it."""
Bucket: TypeAlias = tuple[Entry, ...]
Level: TypeAlias = "Mapping[Any, Node]"
Node: TypeAlias = "Bucket | Level"
Key: TypeAlias = Callable[[Entry], Any]
Values: TypeAlias = Sequence[object]


class Step(Protocol):
    """One access of a plan, compiled."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys of a rule, one for each level of the index that the step goes down."""
        ...

    def open(self, level: Level, request: Values, evaluation: Evaluation) -> list[Node]:
        """Return what lies behind the keys that the request opens."""
        ...


class Equal:
    """All of several fields equal values of the request."""

    __slots__ = ("_request", "_single", "keys")

    def __init__(self, columns: tuple[int, ...], request: Closure) -> None:
        self.keys = (_column_key(columns),)
        self._request = request
        self._single = len(columns) == 1

    def open(self, level: Level, request: Values, evaluation: Evaluation) -> list[Node]:
        """Look up the one key."""
        key = self._request(request, (), (), evaluation)
        for value in key:
            if value.__class__ is not str:
                key = tuple(map(plain_text, key))
                if None in key:
                    return []
                break
        found = level.get(key[0] if self._single else key)
        return [] if found is None else [found]


class Prefixed:
    """A `keyMatch` pattern: the rule stands under its text, cut after the first `*`."""

    __slots__ = ("_column", "_request", "keys", "lengths")

    def __init__(self, column: int, request: Closure, lengths: tuple[int, ...] = ()) -> None:
        self._column = column
        self.keys = (self._key,)
        self._request = request
        self.lengths = lengths

    def open(self, level: Level, request: Values, evaluation: Evaluation) -> list[Node]:
        """Look up the value itself, and each of its prefixes that is as long as some pattern's."""
        value = self._request(request, (), (), evaluation)
        if value.__class__ is not str:
            value = plain_text(value)
        found = []
        get = level.get
        if value[-1:] != "*" and (node := get(value)) is not None:
            found.append(node)
        size = len(value)
        for length in self.lengths:
            if length > size:
                break
            if (node := get(value[:length] + "*" if length else "*")) is not None:
                found.append(node)
        return found

    def with_length_of(self, entry: Entry) -> Prefixed:
        """Return a step that also tries prefixes as long as this rule's."""
        length = entry[1][self._column].find("*")
        if length < 0 or length in self.lengths:
            return self
        return Prefixed(self._column, self._request, tuple(sorted({*self.lengths, length})))

    def with_lengths_of(self, entries: Sequence[Entry]) -> Prefixed:
        """Return a step that tries prefixes as long as those of these rules."""
        column = self._column
        lengths = {entry[1][column].find("*") for entry in entries} | set(self.lengths)
        return Prefixed(column, self._request, tuple(sorted(lengths - {-1})))

    def _key(self, entry: Entry) -> str:
        text = entry[1][self._column]
        star = text.find("*")
        return text if star < 0 else text[: star + 1]


class Held:
    """The field names a role that the subject holds, or a constant; `request` gives subject, constants, domain."""

    __slots__ = ("_request", "_section", "keys")

    def __init__(self, column: int, section: str, request: Closure) -> None:
        self.keys = (_column_key((column,)),)
        self._section = section
        self._request = request

    def open(self, level: Level, request: Values, evaluation: Evaluation) -> list[Node]:
        """Look up each role of the subject, or try each role of the level, whichever are fewer."""
        subject, domain, *constants = self._request(request, (), (), evaluation)
        reach = evaluation.reach(self._section, subject, domain)
        return _held(level, reach, constants)


class Scoped:
    """As `Held`, where the domain depends on other fields of the rule: those are the first of two levels."""

    __slots__ = ("_column", "_domain", "_request", "_section", "keys")

    def __init__(self, columns: tuple[int, tuple[int, ...]], section: str, request: Closure, domain: Closure) -> None:
        self._column, given = columns
        self.keys = (_tuple_key(given), _column_key((self._column,)))
        self._section = section
        self._request = request
        self._domain = domain

    def open(self, level: Level, request: Values, evaluation: Evaluation) -> list[Node]:
        """Do as `Held` does in each domain that the rules of this level name."""
        subject, _, *constants = self._request(request, (), (), evaluation)
        found: list[Node] = []
        for given, inner in level.items():
            domain = self._domain(request, given, (), evaluation)
            reach = evaluation.reach(self._section, subject, domain)
            if not isinstance(inner, tuple):
                found += _held(inner, reach, constants)
            elif kept := tuple(e for e in inner if e[1][self._column] in reach or e[1][self._column] in constants):
                found.append(kept)
        return found


class Grouped:
    """The rule holds a pattern, compiled at `slot`; each distinct one is matched once."""

    __slots__ = ("_request", "_slot", "keys")

    def __init__(self, slot: int, request: Closure) -> None:
        self._slot = slot
        self.keys = (self._key,)
        self._request = request

    def open(self, level: Level, request: Values, evaluation: Evaluation) -> list[Node]:
        """Match each distinct pattern of the level."""
        value = self._request(request, (), (), evaluation)
        return [node for pattern, node in level.items() if pattern(value)]

    def _key(self, entry: Entry) -> Pattern:
        pattern: Pattern = entry[2][self._slot]
        return pattern


def plain_text(value: object) -> str | None:
    """Return a text as plain `str`, None for what is no text: it equals no field of a rule."""
    return str.__str__(value) if isinstance(value, str) else None


def _held(level: Level, reach: Any, constants: Sequence[object]) -> list[Node]:
    if reach.__class__ is not set or len(level) < len(reach):
        return [node for role, node in level.items() if role in reach or role in constants]
    found = [node for role in reach if (node := level.get(role)) is not None]
    apart = [constant for constant in constants if isinstance(constant, str) and constant not in reach]
    return found + [node for constant in apart if (node := level.get(constant)) is not None]


def _column_key(columns: tuple[int, ...]) -> Key:
    values = itemgetter(*columns)
    return lambda entry: values(entry[1])


def _tuple_key(columns: tuple[int, ...]) -> Key:
    return lambda entry: tuple(entry[1][column] for column in columns)
