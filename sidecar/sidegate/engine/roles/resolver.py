"""Resolves the roles of one evaluation; each walk is made once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sidegate.engine.roles.link_graph import RoleGraph
from sidegate.errors import EvaluationError
from sidegate.model.rules import NO_LINKS, RoleLinks


class RoleResolver:
    """The role links of a program and of one evaluation."""

    __slots__ = ("_graphs", "_links", "_walks")

    def __init__(self, graphs: Mapping[str, RoleGraph], links: RoleLinks) -> None:
        self._graphs = graphs
        self._links = links
        self._walks: dict[tuple[str, object, object], Any] = {}

    def roles_of(self, section: str, name: object, domain: object) -> Any:
        """Return the roles that `name` holds in `domain` ("" where the definition has none).

        Raises:
            EvaluationError: a domain that is neither text nor number.
            TypeError: a name or domain that can't be looked up.
        """
        if domain.__class__ is not str:
            domain = _domain(domain)
        key = (section, name, domain)
        found = self._walks.get(key)
        if found is None:
            if name.__class__ is not str:
                name = str.__str__(name) if isinstance(name, str) else name
            links = self._links if section == "g" else NO_LINKS
            found = self._graphs[section].roles_of(name, domain, links) if isinstance(name, str) else {name}
            self._walks[key] = found
        return found

    def has_role(self, section: str, name: object, role: object, domain: object = "") -> bool:
        """Return whether `name` holds `role`, as `g(name, role, domain)`."""
        return role in self.roles_of(section, name, domain)


def _domain(value: object) -> str:
    """Return a domain as a text, as Casbin does."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    raise EvaluationError(f"a domain must be a text, not a value of type `{type(value).__name__}`")
