"""The compiled steps of an index: under which key a rule is filed, and which keys a request looks up."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

from sidegate.engine.functions.patterns import Pattern
from sidegate.engine.language.compiler import Closure
from sidegate.engine.roles.resolver import RoleResolver

IndexedRule: TypeAlias = tuple[int, tuple[str, ...], tuple[Any, ...]]
"""A rule in an index: its rank in the order of rules, its values, and what was compiled for it."""
Bucket: TypeAlias = tuple[IndexedRule, ...]
Level: TypeAlias = "Mapping[Any, Node]"
Node: TypeAlias = "Bucket | Level"
Key: TypeAlias = Callable[[IndexedRule], Any]
Values: TypeAlias = Sequence[object]


class IndexStep(Protocol):
    """One access of a plan, compiled."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys of a rule, one for each level of the index that the step goes down."""
        ...

    def descend(self, level: Level, request: Values, resolver: RoleResolver) -> list[Node]:
        """Return the nodes under the keys that the request looks up."""
        ...

    def narrow(self, bucket: Sequence[IndexedRule], request: Values, resolver: RoleResolver) -> list[IndexedRule]:
        """Return the rules of a bucket whose keys the request looks up."""
        ...


class ValueStep:
    """Several fields of the rule, each of which equals a value of the request."""

    __slots__ = ("_key", "_request", "keys")

    def __init__(self, columns: tuple[int, ...], request: Closure) -> None:
        self._key = itemgetter(*columns)
        self.keys = (_key_at(self._key),)
        self._request = request if len(columns) > 1 else _first_of(request)

    def descend(self, level: Level, request: Values, resolver: RoleResolver) -> list[Node]:
        """Look up the one key."""
        found = level.get(self._request_key(request, resolver))
        return [] if found is None else [found]

    def narrow(self, bucket: Sequence[IndexedRule], request: Values, resolver: RoleResolver) -> list[IndexedRule]:
        """Compare each rule's values with those of the request."""
        wanted, key = self._request_key(request, resolver), self._key
        return [entry for entry in bucket if key(entry[1]) == wanted]

    def _request_key(self, request: Values, resolver: RoleResolver) -> object:
        """Return the key of a request; a value that is not a text becomes None, which no rule has."""
        key = self._request(request, (), (), resolver)
        if key.__class__ is not tuple:
            return key if key.__class__ is str else text_or_none(key)
        for value in key:
            if value.__class__ is not str:
                return tuple(map(text_or_none, key))
        return key


class PrefixStep:
    """A `keyMatch` pattern: its text up to the first `*` is the rule's key."""

    __slots__ = ("_column", "_request", "keys", "lengths")

    def __init__(self, column: int, request: Closure, lengths: tuple[int, ...] = ()) -> None:
        self._column = column
        self.keys = (self._key,)
        self._request = request
        self.lengths = lengths

    def descend(self, level: Level, request: Values, resolver: RoleResolver) -> list[Node]:
        """Look up the value itself, and each of its prefixes that is as long as some pattern's."""
        value = self._request(request, (), (), resolver)
        if value.__class__ is not str:
            value = text_or_none(value)
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

    def narrow(self, bucket: Sequence[IndexedRule], request: Values, resolver: RoleResolver) -> list[IndexedRule]:
        """Match each rule's pattern."""
        value: Any = self._request(request, (), (), resolver)
        column, left = self._column, []
        for entry in bucket:
            text = entry[1][column]
            star = text.find("*")
            if value == text if star < 0 else value.startswith(text[:star]):
                left.append(entry)
        return left

    def with_lengths_of(self, entries: Sequence[IndexedRule]) -> PrefixStep:
        """Return a step that also tries prefixes as long as those of these rules."""
        column = self._column
        lengths = {entry[1][column].find("*") for entry in entries} - {-1, *self.lengths}
        return PrefixStep(column, self._request, tuple(sorted({*self.lengths, *lengths}))) if lengths else self

    def _key(self, entry: IndexedRule) -> str:
        text = entry[1][self._column]
        star = text.find("*")
        return text if star < 0 else text[: star + 1]


class RoleStep:
    """A field that names a role of the subject, or a constant; `request` returns subject, domain and constants."""

    __slots__ = ("_column", "_request", "_section", "keys")

    def __init__(self, column: int, section: str, request: Closure) -> None:
        self._column = column
        self.keys = (_key_at(itemgetter(column)),)
        self._section = section
        self._request = request

    def descend(self, level: Level, request: Values, resolver: RoleResolver) -> list[Node]:
        """Look up each role of the subject, or test each role of the level, whichever are fewer."""
        subject, domain, *constants = self._request(request, (), (), resolver)
        return _nodes_of_roles(level, resolver.roles_of(self._section, subject, domain), constants)

    def narrow(self, bucket: Sequence[IndexedRule], request: Values, resolver: RoleResolver) -> list[IndexedRule]:
        """Test each rule's role."""
        subject, domain, *constants = self._request(request, (), (), resolver)
        return _rules_of_roles(bucket, self._column, resolver.roles_of(self._section, subject, domain), constants)


class ScopedRoleStep:
    """As `RoleStep`, where the domain depends on other fields of the rule: those are the first of two levels."""

    __slots__ = ("_column", "_domain", "_given", "_request", "_section", "keys")

    def __init__(self, columns: tuple[int, tuple[int, ...]], section: str, request: Closure, domain: Closure) -> None:
        self._column, given = columns
        self._given = itemgetter(*given)
        self.keys = (_key_at(self._given), _key_at(itemgetter(self._column)))
        self._section = section
        self._request = request
        self._domain = domain if len(given) > 1 else _of_one(domain)

    def descend(self, level: Level, request: Values, resolver: RoleResolver) -> list[Node]:
        """Do as `RoleStep` does, in each domain that the rules of this level name."""
        subject, _, *constants = self._request(request, (), (), resolver)
        found: list[Node] = []
        for given, inner in level.items():
            roles = resolver.roles_of(self._section, subject, self._domain(request, given, (), resolver))
            if not isinstance(inner, tuple):
                found += _nodes_of_roles(inner, roles, constants)
            elif left := _rules_of_roles(inner, self._column, roles, constants):
                found.append(tuple(left))
        return found

    def narrow(self, bucket: Sequence[IndexedRule], request: Values, resolver: RoleResolver) -> list[IndexedRule]:
        """Test each rule's role in the domain that the rule names."""
        subject, _, *constants = self._request(request, (), (), resolver)
        column, given_of = self._column, self._given
        roles_by_given: dict[Any, Any] = {}
        left = []
        for entry in bucket:
            values = entry[1]
            role = values[column]
            if role not in constants:
                given = given_of(values)
                roles = roles_by_given.get(given)
                if roles is None:
                    domain = self._domain(request, given, (), resolver)
                    roles = roles_by_given[given] = resolver.roles_of(self._section, subject, domain)
                if role not in roles:
                    continue
            left.append(entry)
        return left


class PatternStep:
    """A field with a pattern, compiled at `slot`; each distinct pattern is matched once."""

    __slots__ = ("_request", "_slot", "keys")

    def __init__(self, slot: int, request: Closure) -> None:
        self._slot = slot
        self.keys = (self._key,)
        self._request = request

    def descend(self, level: Level, request: Values, resolver: RoleResolver) -> list[Node]:
        """Match each distinct pattern of the level."""
        value = self._request(request, (), (), resolver)
        return [node for pattern, node in level.items() if pattern(value)]

    def narrow(self, bucket: Sequence[IndexedRule], request: Values, resolver: RoleResolver) -> list[IndexedRule]:
        """Match each rule's pattern."""
        value, slot = self._request(request, (), (), resolver), self._slot
        return [entry for entry in bucket if entry[2][slot](value)]

    def _key(self, entry: IndexedRule) -> Pattern:
        pattern: Pattern = entry[2][self._slot]
        return pattern


def text_or_none(value: object) -> str | None:
    """Return a text as plain `str`, None for any other value: it equals no field of a rule."""
    return str.__str__(value) if isinstance(value, str) else None


def _nodes_of_roles(level: Level, roles: Any, constants: Sequence[object]) -> list[Node]:
    if roles.__class__ is not set or len(level) < len(roles):
        return [node for role, node in level.items() if role in roles or role in constants]
    found = [node for role in roles if (node := level.get(role)) is not None]
    apart = [constant for constant in constants if isinstance(constant, str) and constant not in roles]
    return found + [node for constant in apart if (node := level.get(constant)) is not None]


def _rules_of_roles(
    bucket: Sequence[IndexedRule], column: int, roles: Container[str], constants: Sequence[object]
) -> list[IndexedRule]:
    return [e for e in bucket if e[1][column] in roles or e[1][column] in constants]


def _key_at(position: Callable[[tuple[str, ...]], Any]) -> Key:
    return lambda entry: position(entry[1])


def _of_one(domain: Closure) -> Closure:
    """Return a function of the one field that a domain depends on."""
    return lambda r, p, c, s: domain(r, (p,), c, s)  # type: ignore[arg-type]


def _first_of(request: Closure) -> Closure:
    return lambda r, p, c, s: request(r, p, c, s)[0]
