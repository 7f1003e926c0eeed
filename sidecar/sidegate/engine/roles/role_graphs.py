"""The role graphs of a program by section, each of the kind that its definition needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from sidegate.engine.casbin.model import RoleDefinition
from sidegate.engine.functions.patterns import COMPILERS
from sidegate.engine.roles.chains import check_added, check_chains
from sidegate.engine.roles.link_graph import DomainPatterns, LinkGraph, RoleGraph
from sidegate.engine.roles.pattern_graph import PatternGraph
from sidegate.engine.roles.window_graph import WindowGraph
from sidegate.errors import ModelError, RequestError
from sidegate.model.rules import Row


class RoleGraphs:
    """The role definitions of a model, how their names and domains match, and their graphs."""

    __slots__ = ("_domain_match", "_role_match", "_roles", "by_section")

    def __init__(
        self, roles: Mapping[str, RoleDefinition], role_match: Mapping[str, str], domain_match: Mapping[str, str]
    ) -> None:
        for section, function in [*role_match.items(), *domain_match.items()]:
            if section not in roles or function not in COMPILERS:
                raise ModelError(f"can't match `{section}` by `{function}`; there is {', '.join(COMPILERS)}")
            if roles[section].window:
                raise ModelError(f"`{section}` has a window of time and can't be matched by patterns")
        self._roles = roles
        self._role_match = dict(role_match)
        self._domain_match = dict(domain_match)
        self.by_section: Mapping[str, RoleGraph] = MappingProxyType({})

    def built(self, rows: Mapping[str, Sequence[Row]]) -> RoleGraphs:
        """Return these definitions with the graphs of some rows.

        Raises:
            RowError: a chain of roles is longer than Casbin follows, or a time or pattern is wrong.
        """
        return self._with({section: self._graph(section, links) for section, links in rows.items()})

    def changed(self, section: str, added: Iterable[Row], removed: Iterable[Row]) -> RoleGraphs:
        """Return graphs of which one has other links.

        Raises:
            RowError: a removed link is not there, or a chain from an added one is longer than Casbin follows.
        """
        links = list(added)
        graph = self.by_section[section].changed(links, removed)
        if isinstance(graph, LinkGraph):
            check_added(graph, links)
        return self._with({**self.by_section, section: graph})

    def check_links(self) -> None:
        """Refuse links of one evaluation where `g` has no domain.

        Raises:
            RequestError: `g` is not defined as `_, _, _`.
        """
        role = self._roles.get("g")
        if role is None or not role.domain or role.window:
            raise RequestError("links of one evaluation need the role definition `g = _, _, _`")

    def _with(self, graphs: Mapping[str, RoleGraph]) -> RoleGraphs:
        other = RoleGraphs(self._roles, self._role_match, self._domain_match)
        other.by_section = graphs
        return other

    def _graph(self, section: str, rows: Sequence[Row]) -> RoleGraph:
        if self._roles[section].window:
            return WindowGraph(rows, domain=self._roles[section].domain)
        domains = DomainPatterns(self._domain_match.get(section))
        if section in self._role_match:
            return PatternGraph(rows, self._role_match[section], domains)
        graph = LinkGraph(rows, domains)
        check_chains(graph, rows)
        return graph
