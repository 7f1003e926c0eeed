"""Casbin rows and role links, and the answers of an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

Row: TypeAlias = tuple[str, ...]
"""A policy line with its section first: `("p", "admin", …)`, `("g", "member:uma", "admin", "tenant:acme")`."""
MatchFunction: TypeAlias = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Answer:
    """An engine's answer: `rule` is the row that decided, without its section; None where no row matched."""

    allowed: bool
    rule: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RoleLinks:
    """Links of `g` of one evaluation, in addition to those of its program, such as a document's grants.

    `by_domain` maps domain -> holder -> roles.
    """

    by_domain: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, links: Iterable[tuple[str, str, str]]) -> RoleLinks:
        """Build from (holder, role, domain) triples."""
        domains: dict[str, dict[str, tuple[str, ...]]] = {}
        for holder, role, domain in links:
            holders = domains.setdefault(domain, {})
            holders[holder] = (*holders.get(holder, ()), role)
        return cls(domains)

    def triples(self) -> Iterable[tuple[str, str, str]]:
        """Yield (holder, role, domain) of each link."""
        for domain, holders in self.by_domain.items():
            for holder, roles in holders.items():
                for role in roles:
                    yield holder, role, domain


NO_LINKS = RoleLinks()
