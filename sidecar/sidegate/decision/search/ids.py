"""IDs in their order, read from the indexes of the store a page at a time."""

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
"""How many are read in one call."""
T = TypeVar("T")
GROUP: Final = "group"
MEMBER: Final = "member"

Ids: TypeAlias = AsyncGenerator[str, None]
"""IDs in their order."""
IdsAfter: TypeAlias = Callable[[str], Ids]
"""Returns the IDs after one."""


class _Listed(Generic[T]):
    """A list of the store, whose first page is read once: most questions are answered from it.

    `order` returns the parts by which the store orders the list, the last of them an ID.
    """

    def __init__(self, read: Callable[[T | None], Awaitable[Sequence[T]]], order: Callable[[T], Sequence[str]]) -> None:
        self._read = read
        self._order = order
        self._first: Sequence[T] | None = None

    async def ids_after(self, one: T) -> Sequence[str]:
        """Return up to a page of the IDs after one, of entries that equal it in all parts but the ID."""
        *alike, after = self._order(one)
        found = [*map(self._order, await self._page_after(one))]
        return [id_ for *others, id_ in found if others == alike and id_ > after]

    async def _page_after(self, one: T) -> Sequence[T]:
        """Return a page that holds all that `ids_after` needs, or as much of that as a page has."""
        if self._first is None:
            self._first = await self._read(None)
        first, position = self._first, [*self._order(one)]
        if len(first) < PAGE:
            return first
        start, end = [*self._order(first[0])], [*self._order(first[-1])]
        return first if position < start or position[:-1] < end[:-1] else await self._read(one)


class Links:
    """The grants of a holder or on a scope, and the members and groups of a group."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._grants: dict[GrantQuery, _Listed[Grant]] = {}
        self._groups: dict[str, _Listed[str]] = {}

    def grants(self, query: GrantQuery) -> _Listed[Grant]:
        """Return the grants of a query."""

        def read(start: Grant | None) -> Awaitable[Sequence[Grant]]:
            tenant = self._view.tenant
            return self._view.read(lambda store: store.grant_page(tenant, query, after=start, limit=PAGE))

        return self._grants.setdefault(query, _Listed(read, _ORDER[query.relation]))

    def in_group(self, group: str) -> _Listed[str]:
        """Return the references of what belongs to a group directly: its groups, then its members."""

        def read(start: str | None) -> Awaitable[Sequence[str]]:
            tenant, id_ = self._view.tenant, split_ref(group)[1]
            return self._view.read(lambda store: store.group_page(tenant, id_, after=start or "", limit=PAGE))

        return self._groups.setdefault(group, _Listed(read, split_ref))


_ORDER: Final[Mapping[Relation, Callable[[Grant], Sequence[str]]]] = {
    Relation.GRANTS_OF: lambda grant: (grant.role, *split_ref(grant.scope)),
    Relation.GRANTS_ON: lambda grant: (grant.role, *split_ref(grant.holder)),
    Relation.GRANTS_AS: lambda grant: split_ref(grant.holder),
}
"""How the store orders the grants of a relation, which are equal in all other parts."""


async def known_ids(ids: Sequence[str], after: str) -> Ids:
    """Yield IDs that are known, and in their order."""
    for id_ in ids:
        if id_ > after:
            yield id_


async def merged_ids(sources: Iterable[IdsAfter], after: str) -> Ids:
    """Yield the IDs of several sources in one order, each ID once."""
    async with AsyncExitStack() as stack:
        heads: list[tuple[str, int, Ids]] = []
        for position, source in enumerate(sources):
            ids = await stack.enter_async_context(aclosing(source(after)))
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
    """Yield page after page, as long as `read` returns full pages."""
    while page := await read(after):
        for id_ in page:
            yield id_
        if len(page) < PAGE:
            return
        after = page[-1]


def resource_ids(view: View, query: ResourceQuery, after: str) -> Ids:
    """Yield the registered resources of a query, all of one type."""

    async def read(last: str) -> Sequence[str]:
        start = ref(query.type, last)
        found = await view.resources(query, after=start, limit=PAGE)
        return [record.resource.id for record in found]

    return _paged(read, after)


def member_ids(view: View, query: MemberQuery, after: str) -> Ids:
    """Yield the members of a query."""

    async def read(last: str) -> Sequence[str]:
        found = await view.read(lambda store: store.members(view.tenant, query, after=last, limit=PAGE))
        return [record.member.id for record in found]

    return _paged(read, after)


def entry_ids(view: View, entity: EntryKind, after: str) -> Ids:
    """Yield the groups, or the custom roles, of the tenant."""

    async def read(last: str) -> Sequence[str]:
        found = await view.read(lambda store: store.page(view.tenant, entity, after=last, limit=PAGE))
        return [id_ for _, (id_,) in found]

    return _paged(read, after)


def granted_ids(links: Links, holder: str, role: str, type_: str, after: str) -> Ids:
    """Yield the scopes of one type on which a holder holds a role."""
    found = links.grants(GrantQuery(Relation.GRANTS_OF, holder))
    return _paged(lambda last: found.ids_after(Grant(role, ref(type_, last), holder)), after)


def holder_ids(links: Links, role: str, scope: str, after: str) -> Ids:
    """Yield the members that hold a role on a scope by a grant of their own."""
    return _by_grant(links, role, scope, MEMBER, after)


async def groups_with_role(links: Links, role: str, scope: str) -> Ids:
    """Yield the references of groups that hold a role on a scope."""
    async with aclosing(_by_grant(links, role, scope, GROUP, "")) as ids:
        async for id_ in ids:
            yield ref(GROUP, id_)


def _by_grant(links: Links, role: str, scope: str, kind: str, after: str) -> Ids:
    on_tenant = split_ref(scope)[0] == TENANT
    found = links.grants(GrantQuery(Relation.GRANTS_AS, role) if on_tenant else GrantQuery(Relation.GRANTS_ON, scope))
    return _paged(lambda last: found.ids_after(Grant(role, scope, ref(kind, last))), after)


def ids_in_group(links: Links, group: str, after: str) -> Ids:
    """Yield the members that belong to a group directly."""
    return _by_group(links, group, MEMBER, after)


async def groups_in_group(links: Links, group: str) -> Ids:
    """Yield the references of groups that belong to a group directly."""
    async with aclosing(_by_group(links, group, GROUP, "")) as ids:
        async for id_ in ids:
            yield ref(GROUP, id_)


def _by_group(links: Links, group: str, kind: str, after: str) -> Ids:
    found = links.in_group(group)
    return _paged(lambda last: found.ids_after(ref(kind, last)), after)
