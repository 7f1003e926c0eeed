"""The graph of plain role links: who holds which role in which domain, walked from the subject up."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from rpds import HashTrieMap

from sidegate.engine.casbin.rows import quoted
from sidegate.engine.functions.patterns import Pattern, compile_pattern
from sidegate.errors import EvaluationError, RowError
from sidegate.model.rules import NO_LINKS, RoleLinks, Row

MAX_HOPS: Final = 9
"""How many links of a chain Casbin follows: its manager counts ten levels, the subject is the first."""
_MAX_NAMES_NEARBY: Final = MAX_HOPS + 1
"""Up to this number of names, with the subject's own, no chain can be too long."""
_WITH_DOMAIN: Final = 4
"""Values of a row with a domain: section, holder, role, domain."""
Lookup: TypeAlias = Callable[[str], "Sequence[str] | None"]
_UNCHANGED: Final[HashTrieMap[str, HashTrieMap[str, tuple[str, ...]]]] = HashTrieMap()


class RoleSet(Protocol):
    """The roles that a name holds."""

    def __contains__(self, role: object, /) -> bool:
        """Whether the name holds a role."""
        ...


class RoleGraph(Protocol):
    """The links of one role definition. Immutable."""

    def roles_of(self, name: str, domain: str, links: RoleLinks) -> RoleSet:
        """Return the roles that `name` holds in a domain ("" where the definition has none), itself among them."""
        ...

    def changed(self, added: Iterable[Row], removed: Iterable[Row]) -> RoleGraph:
        """Return a graph with other links.

        Raises:
            RowError: a removed link is not there.
        """
        ...

    def rows(self) -> Iterable[Row]:
        """Return the row of each link in any order; each has a domain, also where the definition has none."""
        ...


class DomainPatterns:
    """The match of stored domains, which can be patterns of a built-in function, with the domain of a request."""

    __slots__ = ("_match",)

    def __init__(self, match: str | None) -> None:
        self._match = match

    def compiled(self, stored: str) -> Pattern | None:
        """Return a stored domain as a pattern, None where it matches itself only.

        Raises:
            RowError: it is not a pattern of the function.
        """
        if self._match is None or (self._match == "keyMatch" and "*" not in stored):
            return None
        try:
            return compile_pattern(self._match, stored)
        except ValueError as error:
            raise RowError(f"domain `{stored[:80]}` of a role link: {error}") from error

    def always(self, stored: str) -> bool:
        """Whether links stored under `stored` hold in every domain."""
        return self._match == "keyMatch" and stored.startswith("*")

    def holds(self, stored: str, domain: str) -> bool:
        """Whether links stored under `stored` hold in `domain`."""
        if stored == domain:
            return True
        pattern = self.compiled(stored)
        return pattern is not None and matches(pattern, domain)


def matches(pattern: Pattern, domain: str) -> bool:
    """Whether a domain matches; a domain that the function can't read, such as an invalid IP address, does not."""
    try:
        return pattern(domain)
    except EvaluationError:
        return False


class LinkGraph:
    """Links between plain names: a frozen base, and a persistent map of the holders that changed.

    `_changed` maps domain -> holder -> all its roles, which replace those in `_base`. Stored domains that are
    patterns are held with their lookups; those that match every domain, such as `*`, are held apart.
    """

    __slots__ = ("_always", "_base", "_changed", "_domains", "_everywhere", "_patterns", "_size", "_sometimes")

    def __init__(self, rows: Iterable[Row], domains: DomainPatterns) -> None:
        base: dict[str, dict[str, Sequence[str]]] = {}
        size = 0
        for row in rows:
            holders = base.setdefault(domain_of(row), {})
            roles = holders.get(row[1], ())
            if isinstance(roles, list):
                roles.append(row[2])
            else:
                holders[row[1]] = [*roles, row[2]] if roles else (row[2],)
            size += 1
        self._domains = domains
        self._base: Mapping[str, Mapping[str, Sequence[str]]] = base
        self._changed = _UNCHANGED
        self._size = size
        self._set_patterns(pattern for stored in base if (pattern := domains.compiled(stored)))

    def __len__(self) -> int:
        return self._size

    def roles_of(self, name: str, domain: str, links: RoleLinks) -> set[str]:
        """Walk the links up from `name`, at most nine hops."""
        lookups = self._lookups(domain, links)
        found = {name}
        waiting = [name]
        for holder in waiting:
            for lookup in lookups:
                roles = lookup(holder)
                if roles:
                    for role in roles:
                        if role not in found:
                            found.add(role)
                            waiting.append(role)
                    if len(waiting) > _MAX_NAMES_NEARBY:
                        return _walk_by_hops(name, lookups)
        return found

    def changed(self, added: Iterable[Row], removed: Iterable[Row]) -> LinkGraph:
        """Return a graph with other links, in time proportional to the change.

        Raises:
            RowError: a removed link is not there.
        """
        plus, minus = list(added), list(removed)
        if not minus and len(plus) >= self._size:
            return LinkGraph([*self.rows(), *plus], self._domains)
        graph = object.__new__(LinkGraph)
        graph._domains, graph._base, graph._size = self._domains, self._base, self._size
        graph._changed = self._changed
        patterns = {pattern.text: pattern for pattern in self._patterns}
        for row in minus:
            graph._remove(row)
        for row in plus:
            if (domain := domain_of(row)) not in patterns and (pattern := self._domains.compiled(domain)):
                patterns[domain] = pattern
            graph._set_roles(domain, row[1], (*graph._roles(domain, row[1]), row[2]))
        graph._size += len(plus)
        graph._set_patterns(patterns.values())
        return graph

    def domains(self) -> Iterable[str]:
        """Return every domain that has links, "" where the definition has none."""
        return {**dict.fromkeys(self._base), **dict.fromkeys(self._changed)}

    def rows(self) -> Iterable[Row]:
        """Yield all links as rows with a domain, in any order."""
        for domain in self.domains():
            holders = {**self._base.get(domain, {}), **dict(self._changed.get(domain) or {})}
            for holder, roles in holders.items():
                for role in roles:
                    yield ("g", holder, role, domain)

    def chain_too_long(self, name: str, domain: str) -> list[str]:
        """Return a chain of links from `name` to a role that is too far away, [] if there is none."""
        lookups = self._lookups(domain, NO_LINKS)
        before = {name: ""}
        frontier = [name]
        for _ in range(MAX_HOPS + 1):
            if not frontier:
                return []
            further: list[str] = []
            for holder in frontier:
                for role in itertools.chain.from_iterable(lookup(holder) or () for lookup in lookups):
                    if role not in before:
                        before[role] = holder
                        further.append(role)
            frontier = further
        chain = frontier[:1]
        while chain and chain[-1] != name:
            chain.append(before[chain[-1]])
        return chain[::-1]

    def _lookups(self, domain: str, links: RoleLinks) -> list[Lookup]:
        """Return a function holder -> roles for each stored domain that holds in `domain`."""
        if domain in self._always:
            lookups = [lookup for stored, lookup in self._always.items() if stored != domain]
        else:
            lookups = self._everywhere.copy()
        own = self._base.get(domain)
        if self._changed is not _UNCHANGED and (found := self._lookup(domain)) is not None:
            lookups.append(found)
        elif own is not None:
            lookups.append(own.get)
        if self._sometimes:
            lookups += [lookup for p, lookup in self._sometimes if p.text != domain and matches(p, domain)]
        if links.by_domain:
            holds = self._domains.holds
            lookups += [holders.get for stored, holders in links.by_domain.items() if holds(stored, domain)]
        return lookups

    def _lookup(self, stored: str) -> Lookup | None:
        base = self._base.get(stored)
        changed = None if self._changed is _UNCHANGED else self._changed.get(stored)
        if changed is None:
            return None if base is None else base.get
        return changed.get if base is None else _changed_first(changed, base)

    def _set_patterns(self, patterns: Iterable[Pattern]) -> None:
        found = [(pattern, lookup) for pattern in patterns if (lookup := self._lookup(pattern.text))]
        self._patterns = tuple(pattern for pattern, _ in found)
        self._always = {pattern.text: lookup for pattern, lookup in found if self._domains.always(pattern.text)}
        self._everywhere = list(self._always.values())
        self._sometimes = tuple((pattern, lookup) for pattern, lookup in found if pattern.text not in self._always)

    def _roles(self, domain: str, holder: str) -> Sequence[str]:
        changed = self._changed.get(domain)
        roles = None if changed is None else changed.get(holder)
        return self._base.get(domain, {}).get(holder, ()) if roles is None else roles

    def _set_roles(self, domain: str, holder: str, roles: tuple[str, ...]) -> None:
        holders = self._changed.get(domain)
        empty: HashTrieMap[str, tuple[str, ...]] = HashTrieMap()
        holders = empty if holders is None else holders
        if roles or holder in self._base.get(domain, {}):
            holders = holders.insert(holder, roles)
        elif holder in holders:
            holders = holders.remove(holder)
        changed = self._changed.insert(domain, holders) if holders else self._changed.discard(domain)
        self._changed = changed or _UNCHANGED

    def _remove(self, row: Row) -> None:
        roles = list(self._roles(domain_of(row), row[1]))
        if row[2] not in roles:
            raise RowError(f"row {quoted(row)} can't be removed; it is not there")
        roles.remove(row[2])
        self._set_roles(domain_of(row), row[1], tuple(roles))
        self._size -= 1


def domain_of(row: Row) -> str:
    """Return the domain of a link's row, "" where the definition has none."""
    return row[3] if len(row) == _WITH_DOMAIN else ""


def _walk_by_hops(name: str, lookups: Sequence[Lookup]) -> set[str]:
    """Walk link by link, where so many names are found that one of them might be too far away."""
    found, frontier = {name}, [name]
    for _ in range(MAX_HOPS):
        further: list[str] = []
        for holder in frontier:
            for lookup in lookups:
                further += lookup(holder) or ()
        frontier = [role for role in dict.fromkeys(further) if role not in found]
        if not frontier:
            break
        found.update(frontier)
    return found


def _changed_first(changed: HashTrieMap[str, tuple[str, ...]], base: Mapping[str, Sequence[str]]) -> Lookup:
    """Return a lookup that prefers the changed holders."""

    def lookup(holder: str) -> Sequence[str] | None:
        roles = changed.get(holder)
        return base.get(holder) if roles is None else roles

    return lookup
