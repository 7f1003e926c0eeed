"""Refuses chains of roles that are longer than Casbin follows: it would silently ignore the end of the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sidegate.engine.roles.link_graph import MAX_HOPS, LinkGraph, domain_of
from sidegate.errors import RowError
from sidegate.model.rules import Row


def check_chains(graph: LinkGraph, rows: Iterable[Row]) -> None:
    """Refuse a graph in which a name is more than nine links away from one of its roles.

    Linear in the links where fewer than nine names, chained, are both holder and role, as in almost every policy.

    Raises:
        RowError: names the chain.
    """
    links = _by_holder(rows)
    if _longest(links) < MAX_HOPS:
        return
    for domain in graph.domains():
        for name in links:
            check_chain(graph, name, domain)


def check_added(graph: LinkGraph, rows: Sequence[Row]) -> None:
    """Refuse a graph in which the holder of an added link is more than nine links away from one of its roles there.

    Raises:
        RowError: names the chain.
    """
    # Where most links are new, one check of all links is quicker than a walk for each.
    if 2 * len(rows) >= len(graph) and _longest(_by_holder(graph.rows())) < MAX_HOPS:
        return
    for row in rows:
        check_chain(graph, row[1], domain_of(row))


def check_chain(graph: LinkGraph, name: str, domain: str) -> None:
    """Refuse a graph in which `name` is more than nine links away from one of its roles in `domain`.

    Raises:
        RowError: names the chain.
    """
    chain = graph.chain_too_long(name, domain)
    if chain:
        path = "` -> `".join(chain)
        raise RowError(f"the chain of roles `{path}` has {len(chain) - 1} links; Casbin follows at most {MAX_HOPS}")


def _by_holder(rows: Iterable[Row]) -> dict[str, set[str]]:
    links: dict[str, set[str]] = {}
    for row in rows:
        links.setdefault(row[1], set()).add(row[2])
    return links


def _longest(links: Mapping[str, set[str]]) -> int:
    """Return the length of the longest chain of names that are both holder and role; in a cycle, their number."""
    held = set[str]().union(*links.values()) if links else set()
    between = {name: roles for name in held if (roles := links.get(name))}
    above = {name: {role for role in roles if role in between and role != name} for name, roles in between.items()}
    below: dict[str, list[str]] = {}
    for name, roles in above.items():
        for role in roles:
            below.setdefault(role, []).append(name)
    height = dict.fromkeys(above, 1)
    waiting = {name: len(roles) for name, roles in above.items()}
    ready = [name for name, count in waiting.items() if not count]
    for role in ready:
        for name in below.get(role, ()):
            height[name] = max(height[name], height[role] + 1)
            waiting[name] -= 1
            if not waiting[name]:
                ready.append(name)
    return len(above) if len(ready) < len(above) else max(height.values(), default=0)
