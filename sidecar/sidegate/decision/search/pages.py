"""Walks through IDs in their order, along the indexes of the store and a page at a time."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Final, Generic, TypeAlias, TypeVar

from sidegate.model.change import EntryKind
from sidegate.model.facts import Grant
from sidegate.model.page import GrantQuery, MemberQuery, Relation, ResourceQuery
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import TENANT
from sidegate.replica.view import View

PAGE: Final = 100
"""How many are read at once."""
T = TypeVar("T")
GROUP: Final = "group"
MEMBER: Final = "member"

Ids: TypeAlias = AsyncGenerator[str, None]
"""IDs in their order."""
Walk: TypeAlias = Callable[[str], Ids]
"""Goes through IDs beyond one."""


class _Listed(Generic[T]):
    """A list of the store, whose first page is read once and answers all that lies on it, which most do.

    `order` are the parts by which the store has it in order, the last of them an ID.
    """

    def __init__(self, read: Callable[[T | None], Awaitable[Sequence[T]]], order: Callable[[T], Sequence[str]]) -> None:
        self._read = read
        self._order = order
        self._first: Sequence[T] | None = None

    async def ids_after(self, one: T) -> Sequence[str]:
        """Return up to a page of the IDs that come after one, of those that are like it in all but the ID."""
        *alike, after = self._order(one)
        found = [*map(self._order, await self._page_after(one))]
        return [id_ for *others, id_ in found if others == alike and id_ > after]

    async def _page_after(self, one: T) -> Sequence[T]:
        """Return a page that holds all that `ids_after` is asked for, or as much of that as a page has."""
        if self._first is None:
            self._first = await self._read(None)
        first, place = self._first, [*self._order(one)]
        if len(first) < PAGE:
            return first
        start, end = [*self._order(first[0])], [*self._order(first[-1])]
        return first if place < start or place[:-1] < end[:-1] else await self._read(one)


class Links:
    """The grants that are about somebody or something, and who stands in a group."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._grants: dict[GrantQuery, _Listed[Grant]] = {}
        self._groups: dict[str, _Listed[str]] = {}

    def grants(self, query: GrantQuery) -> _Listed[Grant]:
        """Return the grants that a query asks for."""

        def read(start: Grant | None) -> Awaitable[Sequence[Grant]]:
            tenant = self._view.tenant
            return self._view.read(lambda store: store.grant_page(tenant, query, after=start, limit=PAGE))

        return self._grants.setdefault(query, _Listed(read, _ORDER[query.relation]))

    def inside(self, group: str) -> _Listed[str]:
        """Return the references of who stands in a group itself: its groups, then its members."""

        def read(start: str | None) -> Awaitable[Sequence[str]]:
            tenant, id_ = self._view.tenant, split_ref(group)[1]
            return self._view.read(lambda store: store.group_page(tenant, id_, after=start or "", limit=PAGE))

        return self._groups.setdefault(group, _Listed(read, split_ref))


_ORDER: Final[Mapping[Relation, Callable[[Grant], Sequence[str]]]] = {
    Relation.GRANTS_OF: lambda grant: (grant.role, *split_ref(grant.scope)),
    Relation.GRANTS_ON: lambda grant: (grant.role, *split_ref(grant.holder)),
    Relation.GRANTS_AS: lambda grant: split_ref(grant.holder),
}
"""How the store orders the grants in a relation, which have the rest in common."""


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


def registered(view: View, query: ResourceQuery, after: str) -> Ids:
    """Go through the registered resources of one type that a query asks for."""

    async def read(last: str) -> Sequence[str]:
        start = ref(query.type, last)
        found = await view.resources(query, after=start, limit=PAGE)
        return [record.resource.id for record in found]

    return _paged(read, after)


def members(view: View, query: MemberQuery, after: str) -> Ids:
    """Go through the members that a query asks for."""

    async def read(last: str) -> Sequence[str]:
        found = await view.read(lambda store: store.members(view.tenant, query, after=last, limit=PAGE))
        return [record.member.id for record in found]

    return _paged(read, after)


def entries(view: View, entity: EntryKind, after: str) -> Ids:
    """Go through the groups or the roles of the tenant's own."""

    async def read(last: str) -> Sequence[str]:
        found = await view.read(lambda store: store.page(view.tenant, entity, after=last, limit=PAGE))
        return [id_ for _, (id_,) in found]

    return _paged(read, after)


def granted(links: Links, holder: str, role: str, type_: str, after: str) -> Ids:
    """Go through what a holder holds a role on, of one type."""
    found = links.grants(GrantQuery(Relation.GRANTS_OF, holder))
    return _paged(lambda last: found.ids_after(Grant(role, ref(type_, last), holder)), after)


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
    found = links.grants(GrantQuery(Relation.GRANTS_AS, role) if on_tenant else GrantQuery(Relation.GRANTS_ON, scope))
    return _paged(lambda last: found.ids_after(Grant(role, scope, ref(kind, last))), after)


def inside(links: Links, group: str, after: str) -> Ids:
    """Go through the members that stand in a group themselves."""
    return _by_group(links, group, MEMBER, after)


async def groups_inside(links: Links, group: str) -> Ids:
    """Go through the references of groups that stand in a group themselves."""
    async with aclosing(_by_group(links, group, GROUP, "")) as ids:
        async for id_ in ids:
            yield ref(GROUP, id_)


def _by_group(links: Links, group: str, kind: str, after: str) -> Ids:
    found = links.inside(group)
    return _paged(lambda last: found.ids_after(ref(kind, last)), after)
