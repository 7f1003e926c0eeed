"""The role graphs of a program: who holds what in which domain, walked from the subject up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from rpds import HashTrieMap

from sidegate.engine.patterns import Pattern, compile_pattern
from sidegate.engine.rows import shown
from sidegate.errors import EvaluationError, RowError
from sidegate.model import RoleLinks, Row

MAX_HOPS: Final = 9
"""How far Casbin follows a chain of roles: its manager counts ten levels, the subject's own among them."""
_WITH_DOMAIN: Final = 4
"""Values of a row with a domain: section, holder, role, domain."""
_UNCHANGED: Final[HashTrieMap[str, HashTrieMap[str, tuple[str, ...]]]] = HashTrieMap()


class Reach(Protocol):
    """The roles that a name holds."""

    def __contains__(self, role: object, /) -> bool:
        """Whether the name holds a role."""
        ...


class RoleGraph(Protocol):
    """The links of one role definition. It never changes."""

    def reach(self, name: str, domain: str, links: RoleLinks) -> Reach:
        """Return the roles that `name` holds in a domain ("" where the definition has none), itself among them."""
        ...

    def changed(self, added: Iterable[Row], removed: Iterable[Row]) -> RoleGraph:
        """Return a graph with other links.

        Raises:
            RowError: a removed link is not there.
        """
        ...


class DomainPatterns:
    """Which stored domains hold in a domain, where a built-in function matches them."""

    __slots__ = ("_match",)

    def __init__(self, match: str | None) -> None:
        self._match = match

    def compiled(self, stored: str) -> Pattern | None:
        """Return a stored domain as a pattern, None where it holds in itself only.

        Raises:
            RowError: it is no pattern of the function.
        """
        if self._match is None or (self._match == "keyMatch" and "*" not in stored):
            return None
        try:
            return compile_pattern(self._match, stored)
        except ValueError as error:
            raise RowError(f"domain `{stored[:80]}` of a role link: {error}") from error

    def holds(self, stored: str, domain: str) -> bool:
        """Whether links stored under `stored` hold in `domain`."""
        if stored == domain:
            return True
        pattern = self.compiled(stored)
        return pattern is not None and matches(pattern, domain)


def matches(pattern: Pattern, domain: str) -> bool:
    """Whether a domain matches; one that can't be matched, such as no IP address, does not."""
    try:
        return pattern(domain)
    except EvaluationError:
        return False


class LinkGraph:
    """Links between plain names: a frozen base, and in front of it a persistent map of the holders that changed.

    `_changed` maps domain -> holder -> all its roles, which count instead of those in `_base`.
    """

    __slots__ = ("_base", "_changed", "_domains", "_patterns", "_size")

    def __init__(self, rows: Iterable[Row], domains: DomainPatterns) -> None:
        base: dict[str, dict[str, tuple[str, ...]]] = {}
        size = 0
        for row in rows:
            holders = base.setdefault(_domain(row), {})
            roles = holders.get(row[1])
            holders[row[1]] = (row[2],) if roles is None else (*roles, row[2])
            size += 1
        self._domains = domains
        self._base: Mapping[str, Mapping[str, tuple[str, ...]]] = base
        self._changed = _UNCHANGED
        self._patterns = tuple(pattern for stored in base if (pattern := domains.compiled(stored)))
        self._size = size

    def reach(self, name: str, domain: str, links: RoleLinks) -> set[str]:
        """Walk the links up from `name`, at most nine hops."""
        found = {name}
        lookups = self._lookups(domain, links)
        if not lookups:
            return found
        frontier: Iterable[str] = (name,)
        for _ in range(MAX_HOPS):
            further: list[str] = []
            for holder in frontier:
                for lookup in lookups:
                    roles = lookup(holder)
                    if roles:
                        further += roles
            frontier = [role for role in further if role not in found]
            if not frontier:
                break
            found.update(frontier)
        return found

    def changed(self, added: Iterable[Row], removed: Iterable[Row]) -> LinkGraph:
        """Return a graph with other links, in time proportional to the change.

        Raises:
            RowError: a removed link is not there.
        """
        plus, minus = list(added), list(removed)
        if not minus and len(plus) >= self._size:
            return LinkGraph([*self._rows(), *plus], self._domains)
        graph = object.__new__(LinkGraph)
        graph._domains, graph._base = self._domains, self._base
        graph._changed, graph._patterns, graph._size = self._changed, self._patterns, self._size
        for row in minus:
            graph._remove(row)
        for row in plus:
            graph._add(row)
        return graph

    def _lookups(self, domain: str, links: RoleLinks) -> list[Callable[[str], tuple[str, ...] | None]]:
        """Return a function holder -> roles for each stored domain that holds in `domain`."""
        lookups = []
        for stored in self._stored(domain):
            base = self._base.get(stored)
            changed = None if self._changed is _UNCHANGED else self._changed.get(stored)
            if changed is not None:
                lookups.append(changed.get if base is None else _front(changed, base))
            elif base is not None:
                lookups.append(base.get)
        if links.by_domain:
            holds = self._domains.holds
            lookups += [holders.get for stored, holders in links.by_domain.items() if holds(stored, domain)]
        return lookups

    def _stored(self, domain: str) -> Iterable[str]:
        if not self._patterns:
            return (domain,)
        return [domain, *(p.text for p in self._patterns if p.text != domain and matches(p, domain))]

    def _roles(self, domain: str, holder: str) -> tuple[str, ...]:
        changed = self._changed.get(domain)
        roles = None if changed is None else changed.get(holder)
        return self._base.get(domain, {}).get(holder, ()) if roles is None else roles

    def _put(self, domain: str, holder: str, roles: tuple[str, ...]) -> None:
        holders = self._changed.get(domain)
        empty: HashTrieMap[str, tuple[str, ...]] = HashTrieMap()
        holders = empty if holders is None else holders
        if roles or holder in self._base.get(domain, {}):
            holders = holders.insert(holder, roles)
        elif holder in holders:
            holders = holders.remove(holder)
        changed = self._changed.insert(domain, holders) if holders else self._changed.discard(domain)
        self._changed = changed or _UNCHANGED

    def _add(self, row: Row) -> None:
        domain = _domain(row)
        if domain not in self._base and domain not in self._changed and (found := self._domains.compiled(domain)):
            self._patterns = (*(p for p in self._patterns if p.text != domain), found)
        self._put(domain, row[1], (*self._roles(domain, row[1]), row[2]))
        self._size += 1

    def _remove(self, row: Row) -> None:
        roles = list(self._roles(_domain(row), row[1]))
        if row[2] not in roles:
            raise RowError(f"row {shown(row)} can't be removed; it is not there")
        roles.remove(row[2])
        self._put(_domain(row), row[1], tuple(roles))
        self._size -= 1

    def _rows(self) -> Iterable[Row]:
        """Yield all links as rows, without their order, which does not count."""
        for domain in {**dict.fromkeys(self._base), **dict.fromkeys(self._changed)}:
            holders = {**self._base.get(domain, {}), **dict(self._changed.get(domain) or {})}
            for holder, roles in holders.items():
                for role in roles:
                    yield ("g", holder, role, domain)


def _domain(row: Row) -> str:
    return row[3] if len(row) == _WITH_DOMAIN else ""


def _front(
    changed: HashTrieMap[str, tuple[str, ...]], base: Mapping[str, tuple[str, ...]]
) -> Callable[[str], tuple[str, ...] | None]:
    """Look first among the holders that changed."""

    def lookup(holder: str) -> tuple[str, ...] | None:
        roles = changed.get(holder)
        return base.get(holder) if roles is None else roles

    return lookup
