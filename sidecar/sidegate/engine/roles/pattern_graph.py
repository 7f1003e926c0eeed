"""Role links whose names are patterns, as a Casbin manager reads them that has seen the rows only.

Casbin's own manager adds every name of a query to its graph, so its answers depend on earlier queries.
Here each query reads the graph of the rows; its name is added for that query only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sidegate.engine.casbin.rows import rows_without
from sidegate.engine.functions.patterns import Pattern, compile_pattern
from sidegate.engine.roles.link_graph import MAX_HOPS, DomainPatterns
from sidegate.errors import RequestError, RowError
from sidegate.model.rules import RoleLinks, Row

_LITERAL: Final = re.compile(r"[\w/ -]*", re.ASCII)
_Links = Sequence[tuple[str, str]]


class PatternGraph:
    """Links of one role definition whose names match by a built-in function."""

    __slots__ = ("_domains", "_graphs", "_links", "_match", "_rows")

    def __init__(self, rows: Iterable[Row], match: str, domains: DomainPatterns) -> None:
        self._rows = tuple(rows)
        self._match = match
        self._domains = domains
        links: dict[str, list[tuple[str, str]]] = {}
        for row in self._rows:
            links.setdefault(row[3] if len(row) > 3 else "", []).append((row[1], row[2]))  # noqa: PLR2004 - a domain
        self._links = links
        self._graphs = {domain: self._graph(domain) for domain in links}

    def roles_of(self, name: str, domain: str, links: RoleLinks) -> _RolesOfName:
        """Return the roles of `name`, known names and names that match a reached pattern.

        Raises:
            RequestError: links of one evaluation, which would change what the patterns see.
        """
        if links.by_domain:
            raise RequestError("links of one evaluation can't be given where names are patterns")
        graph = self._graphs.get(domain)
        return (self._graph(domain) if graph is None else graph).roles_of(name)

    def changed(self, added: Iterable[Row], removed: Iterable[Row]) -> PatternGraph:
        """Return a new graph with other links; it is built from all rows, since their order counts.

        Raises:
            RowError: a removed link is not there.
        """
        return PatternGraph([*rows_without(self._rows, removed), *added], self._match, self._domains)

    def rows(self) -> Iterable[Row]:
        """Return the row of each link."""
        return self._rows

    def _graph(self, domain: str) -> _Graph:
        links = list(self._links.get(domain, ()))
        for stored, others in self._links.items():
            if stored != domain and self._domains.holds(stored, domain):
                links += others
        return _Graph(links, self._match)


class _Graph:
    """The graph that Casbin's manager has after it has read all links."""

    def __init__(self, links: _Links, match: str) -> None:
        self.roles: dict[str, set[str]] = {}
        self.users: dict[str, set[str]] = {}
        self._patterns: dict[str, Pattern] = {}
        self._match = match
        for holder, role in links:
            self._add_name(holder)
            self._add_name(role)
            self._link(holder, role)
            for name in self._matching(holder):
                self._link(name, role)
            for name in self._matching(role):
                self._link(role, name)

    def roles_of(self, name: str) -> _RolesOfName:
        """Walk up from `name`, which takes over the links of the patterns it matches if it is new."""
        own: Mapping[str, set[str]] = {}
        if name not in self.roles:
            own = {name: set()}
            for pattern in self.patterns_of(name):
                own[name] |= self.roles[pattern]
                for user in self.users[pattern]:
                    own.setdefault(user, set()).add(name)
        found, entered, frontier = {name}, set[str](), {name}
        for _ in range(MAX_HOPS):
            further = {role for one in frontier for role in self.roles.get(one, set()) | own.get(one, set())}
            entered |= further
            frontier = further - found
            found |= frontier
        return _RolesOfName(self, found, entered)

    def patterns_of(self, name: str) -> list[str]:
        """Return the known names that `name` matches as a pattern."""
        return [text for text, pattern in self._patterns.items() if _matches(pattern, name)]

    def _add_name(self, name: str) -> None:
        if name in self.roles:
            return
        matched = self.patterns_of(name)
        self.roles[name], self.users[name] = set(), set()
        for pattern in matched:
            for role in list(self.roles[pattern]):
                self._link(name, role)
            for user in list(self.users[pattern]):
                self._link(user, name)
        if self._match == "regexMatch" or not _LITERAL.fullmatch(name):
            try:
                self._patterns[name] = compile_pattern(self._match, name)
            except ValueError as error:
                raise RowError(f"name `{name[:80]}` of a role link: {error}") from error

    def _link(self, holder: str, role: str) -> None:
        self.roles[holder].add(role)
        self.users[role].add(holder)

    def _matching(self, name: str) -> list[str]:
        """Return the other known names that match `name` as a pattern."""
        pattern = self._patterns.get(name)
        if pattern is None:
            return []
        return [other for other in self.roles if other != name and _matches(pattern, other)]


class _RolesOfName:
    """The roles of one name: `found` with itself, `entered` those that a link led to."""

    __slots__ = ("_entered", "_found", "_graph")

    def __init__(self, graph: _Graph, found: set[str], entered: set[str]) -> None:
        self._graph = graph
        self._found = found
        self._entered = entered

    def __contains__(self, role: object) -> bool:
        if role in self._found:
            return True
        if not isinstance(role, str) or role in self._graph.roles:
            return False
        return any(pattern in self._entered for pattern in self._graph.patterns_of(role))


def _matches(pattern: Pattern, name: str) -> bool:
    try:
        return pattern(name)
    except Exception:  # noqa: BLE001 - a name that can't be matched, such as no IP address, does not match
        return False
