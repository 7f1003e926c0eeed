"""Walks through IDs in their order, along the indexes of the store and a page at a time."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from itertools import takewhile
from typing import Final, TypeAlias, TypeVar

from sidegate.membership.draft import Draft
from sidegate.model import Entity, Grant, GrantQuery, MemberQuery, Relation, ResourceQuery, ref, split_ref
from sidegate.policy.schema import TENANT

PAGE: Final = 100
"""How many are read at once."""
T = TypeVar("T")
GROUP: Final = "group"
MEMBER: Final = "member"

Ids: TypeAlias = AsyncGenerator[str, None]
"""IDs in their order."""
Walk: TypeAlias = Callable[[str], Ids]
"""Goes through IDs beyond one."""


class Links:
    """Lists of grants and of who stands in a group; each is read once if it fits on a page, as most do."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._grants: dict[GrantQuery, Sequence[Grant] | None] = {}
        self._groups: dict[str, Sequence[str] | None] = {}

    async def grants(self, query: GrantQuery, after: Grant) -> Sequence[Grant]:
        """Return up to a page of the grants that a query asks for and that come after one."""
        tenant, order = self._draft.tenant, _ORDER[query.relation]

        def read(start: Grant | None) -> Awaitable[Sequence[Grant]]:
            return self._draft.read(lambda store: store.grant_page(tenant, query, after=start, limit=PAGE))

        if query not in self._grants:
            self._grants[query] = _whole(await read(None))
        known = self._grants[query]
        return await read(after) if known is None else [one for one in known if order(one) > order(after)]

    async def inside(self, group: str, after: str) -> Sequence[str]:
        """Return up to a page of the references of who stands in a group, after one: its groups, then its members."""
        tenant, id_ = self._draft.tenant, split_ref(group)[1]

        def read(start: str) -> Awaitable[Sequence[str]]:
            return self._draft.read(lambda store: store.group_page(tenant, id_, after=start, limit=PAGE))

        if group not in self._groups:
            self._groups[group] = _whole(await read(""))
        known = self._groups[group]
        return await read(after) if known is None else [one for one in known if split_ref(one) > split_ref(after)]


_ORDER: Final[Mapping[Relation, Callable[[Grant], tuple[str, ...]]]] = {
    Relation.GRANTS_OF: lambda grant: (grant.role, *split_ref(grant.scope)),
    Relation.GRANTS_ON: lambda grant: (grant.role, *split_ref(grant.holder)),
    Relation.GRANTS_AS: lambda grant: split_ref(grant.holder),
}
"""How the store orders the grants in a relation, which have the rest in common."""


def _whole(first: Sequence[T]) -> Sequence[T] | None:
    """Return a list whose first page this is, None where it may go on."""
    return first if len(first) < PAGE else None


async def given(ids: Sequence[str], after: str) -> Ids:
    """Go through IDs that are known, and in their order."""
    for id_ in ids:
        if id_ > after:
            yield id_


async def merged(walks: Iterable[Walk], after: str) -> Ids:
    """Go through several walks as one, each ID once."""
    async with AsyncExitStack() as stack:
        heads: list[tuple[str, int, Ids]] = []
        for position, walk in enumerate(walks):
            ids = await stack.enter_async_context(aclosing(walk(after)))
            async for id_ in ids:
                heads.append((id_, position, ids))
                break
        heapq.heapify(heads)
        last = None
        while heads:
            id_, position, ids = heads[0]
            if id_ != last:
                last = id_
                yield id_
            async for following in ids:
                heapq.heapreplace(heads, (following, position, ids))
                break
            else:
                heapq.heappop(heads)


async def _paged(read: Callable[[str], Awaitable[Sequence[str]]], after: str) -> Ids:
    """Go on page by page, as far as `read` returns whole pages."""
    while page := await read(after):
        for id_ in page:
            yield id_
        if len(page) < PAGE:
            return
        after = page[-1]


def registered(draft: Draft, query: ResourceQuery, after: str) -> Ids:
    """Go through the registered resources of one type that a query asks for."""

    async def read(last: str) -> Sequence[str]:
        start = ref(query.type, last)
        found = await draft.resources(query, after=start, limit=PAGE)
        return [record.resource.id for record in found]

    return _paged(read, after)


def members(draft: Draft, query: MemberQuery, after: str) -> Ids:
    """Go through the members that a query asks for."""

    async def read(last: str) -> Sequence[str]:
        found = await draft.read(lambda store: store.members(draft.tenant, query, after=last, limit=PAGE))
        return [record.member.id for record in found]

    return _paged(read, after)


def entries(draft: Draft, entity: Entity, after: str) -> Ids:
    """Go through the groups or the roles of the tenant's own."""

    async def read(last: str) -> Sequence[str]:
        found = await draft.read(lambda store: store.page(draft.tenant, entity, after=last, limit=PAGE))
        return [id_ for _, (id_,) in found]

    return _paged(read, after)


def granted(links: Links, holder: str, role: str, type_: str, after: str) -> Ids:
    """Go through what a holder holds a role on, of one type."""
    query = GrantQuery(Relation.GRANTS_OF, holder)

    async def read(last: str) -> Sequence[str]:
        start = Grant(role, ref(type_, last), holder)
        found = await links.grants(query, start)
        same = takewhile(lambda grant: (grant.role, split_ref(grant.scope)[0]) == (role, type_), found)
        return [split_ref(grant.scope)[1] for grant in same]

    return _paged(read, after)


def holders(links: Links, role: str, scope: str, after: str) -> Ids:
    """Go through the members that hold a role on a scope by a grant of their own."""
    return _by_grant(links, role, scope, MEMBER, after)


async def granted_groups(links: Links, role: str, scope: str) -> Ids:
    """Go through the references of groups that hold a role on a scope."""
    async with aclosing(_by_grant(links, role, scope, GROUP, "")) as ids:
        async for id_ in ids:
            yield ref(GROUP, id_)


def _by_grant(links: Links, role: str, scope: str, kind: str, after: str) -> Ids:
    on_tenant = split_ref(scope)[0] == TENANT
    query = GrantQuery(Relation.GRANTS_AS, role) if on_tenant else GrantQuery(Relation.GRANTS_ON, scope)

    async def read(last: str) -> Sequence[str]:
        start = Grant(role, scope, ref(kind, last))
        found = await links.grants(query, start)
        same = takewhile(lambda grant: (grant.role, split_ref(grant.holder)[0]) == (role, kind), found)
        return [split_ref(grant.holder)[1] for grant in same]

    return _paged(read, after)


def inside(links: Links, group: str, after: str) -> Ids:
    """Go through the members that stand in a group themselves."""
    return _by_group(links, group, MEMBER, after)


async def groups_inside(links: Links, group: str) -> Ids:
    """Go through the references of groups that stand in a group themselves."""
    async with aclosing(_by_group(links, group, GROUP, "")) as ids:
        async for id_ in ids:
            yield ref(GROUP, id_)


def _by_group(links: Links, group: str, kind: str, after: str) -> Ids:
    async def read(last: str) -> Sequence[str]:
        found = await links.inside(group, ref(kind, last))
        return [inside for type_, inside in map(split_ref, found) if type_ == kind]

    return _paged(read, after)
