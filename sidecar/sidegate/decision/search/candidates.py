"""What may be allowed at all, and possibly more: found along indexes, so that a list need not ask about everything."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import aclosing
from functools import partial
from typing import Final

from sidegate.decision.search.pages import (
    GROUP,
    MEMBER,
    Links,
    Walk,
    entries,
    given,
    granted,
    granted_groups,
    groups_inside,
    holders,
    inside,
    members,
    merged,
    registered,
)
from sidegate.model.change import EntryKind
from sidegate.model.facts import MemberStatus
from sidegate.model.page import MemberQuery, Relation, ResourceQuery
from sidegate.model.question import Request
from sidegate.model.reference import ref, split_ref
from sidegate.policy.describe.matrix import Holder, holders_allowed
from sidegate.policy.pack.policy_file import ANYONE
from sidegate.policy.pack.schema import TENANT, HeldBy, InstanceOf, ResourceType, Schema
from sidegate.replica.patches import TenantSnapshot
from sidegate.replica.resource import ResourceFacts
from sidegate.replica.view import View

MOST: Final = 64
"""Groups, parents or own roles beyond which a list asks about everything instead: each is a walk of its own."""


class _TooMany(Exception):
    """It is quicker to ask about everything."""


async def resources_of(view: View, snapshot: TenantSnapshot, request: Request) -> Walk:
    """Return the walk through the resources of a type on which the subject could be allowed the action.

    Raises:
        RevisionConflict: the tenant is at another revision than the view.
        StoreUnavailable: the store does not answer.
    """
    type_ = snapshot.pack.pack.schema.resources[request.resource.type]
    if type_.name == TENANT:
        return partial(given, [view.tenant])
    try:
        wanted = await _wanted(view, snapshot, request)
        return await _Held(view, snapshot.pack.pack.schema, request.subject.id).walk(type_, wanted)
    except _TooMany:
        return _everything(view, snapshot.pack.pack.schema, type_)


async def subjects_of(view: View, snapshot: TenantSnapshot, request: Request, facts: ResourceFacts) -> Walk:
    """Return the walk through the members that could be allowed the action on the resource.

    Raises:
        RevisionConflict: the tenant is at another revision than the view.
        StoreUnavailable: the store does not answer.
    """
    resource = request.resource
    # As `scope()` of the rules has them: the tenant is always that of the question.
    scopes = {**facts.ancestors, resource.type: ref(resource.type, resource.id), TENANT: ref(TENANT, view.tenant)}
    try:
        wanted = await _wanted(view, snapshot, request)
        held = [(scopes[holder.scope], holder.role) for holder in sorted(wanted) if holder.scope in scopes]
        return await _Holding(view, snapshot.pack.pack.schema).walk(held)
    except _TooMany:
        return partial(members, view, MemberQuery(status=MemberStatus.ACTIVE))


async def _wanted(view: View, snapshot: TenantSnapshot, request: Request) -> frozenset[Holder]:
    """Return whom any row, of the pack or of the tenant's own roles, could allow the action.

    Raises:
        _TooMany: that may be anyone, or can't be told.
    """
    pack = snapshot.pack.pack
    wanted = holders_allowed(pack, pack.schema.resources[request.resource.type], request.action)
    if wanted is None or any(holder.role == ANYONE for holder in wanted):
        raise _TooMany
    roles = await view.read(lambda store: store.page(view.tenant, EntryKind.ROLE, after="", limit=MOST + 1))
    if len(roles) > MOST:
        raise _TooMany
    own = (name for (_, (name,)), payload in roles.items() if _permits(payload["permissions"], request))
    return wanted.union(Holder(name, TENANT) for name in own)


def _permits(permissions: object, request: Request) -> bool:
    return isinstance(permissions, dict) and request.action in permissions.get(request.resource.type, ())


class _Held:
    """What a member holds: roles on scopes, by itself and through the groups in which it stands."""

    def __init__(self, view: View, schema: Schema, member: str) -> None:
        self._view = view
        self._links = Links(view)
        self._schema = schema
        self._member = member

    async def walk(self, type_: ResourceType, wanted: Collection[Holder]) -> Walk:
        """Return the walk through what the member holds a wanted role on, and what stands in that.

        Raises:
            _TooMany: it holds one on the tenant, or on so much that walks through all of that would be slower.
        """
        groups = await self._groups()
        all_of_it = [ref(MEMBER, self._member), *groups]
        above = await self._scopes(all_of_it, {holder for holder in wanted if holder.scope != type_.name})
        if any(split_ref(scope)[0] == TENANT for scope in above):
            raise _TooMany
        own = [holder.role for holder in sorted(wanted) if holder.scope == type_.name]
        implied = sorted(split_ref(scope)[1] for scope in self._implied(type_.name, own, groups))
        parents = await self._parents(type_, above)
        walks: list[Walk] = [partial(given, implied)]
        walks += (partial(granted, self._links, one, role, type_.name) for one in all_of_it for role in own)
        walks += (partial(registered, self._view, ResourceQuery(type_.name, parent=parent)) for parent in parents)
        return partial(merged, walks)

    async def _groups(self) -> list[str]:
        found: dict[str, None] = {}
        waiting = [ref(MEMBER, self._member)]
        while waiting:
            above = await self._view.related(Relation.GROUPS_OF, *waiting)
            waiting = [group for _, (id_, _) in above if (group := ref(GROUP, id_)) not in found]
            found.update(dict.fromkeys(waiting))
            if len(found) > MOST:
                raise _TooMany
        return [*found]

    async def _scopes(self, by: Collection[str], wanted: Collection[Holder]) -> set[str]:
        """Return the scopes on which the member, or a group that it stands in, holds a wanted role."""
        found: set[str] = set()
        for role, type_ in sorted((holder.role, holder.scope) for holder in wanted):
            found.update(self._implied(type_, (role,), by))
            for holder in by:
                async with aclosing(granted(self._links, holder, role, type_, "")) as ids:
                    async for id_ in ids:
                        found.add(ref(type_, id_))
                        if len(found) > MOST:
                            raise _TooMany
        return found

    def _implied(self, type_: str, roles: Iterable[str], groups: Iterable[str]) -> set[str]:
        """Return the scopes of a type on which one of the roles is held without a grant."""
        declared = self._schema.resources.get(type_)
        by = {self._schema.roles[role].held_by for role in roles if role in self._schema.roles}
        found: set[str] = set()
        if HeldBy.GROUP in by and type_ == GROUP:
            found.update(group for group in groups if split_ref(group)[0] == GROUP)
        if HeldBy.MEMBER in by and declared is not None and declared.instances is InstanceOf.MEMBER:
            found.add(ref(type_, self._member))
        return found

    async def _parents(self, type_: ResourceType, scopes: Collection[str]) -> list[str]:
        """Return what resources of the type stand in themselves, of all that is one of the scopes or stands in one."""
        between = self._schema.scopes_of(type_.name) - {type_.name, TENANT}
        found = dict.fromkeys(scopes)
        waiting = [*scopes]
        while waiting:
            scope = waiting.pop()
            for query in self._inside(scope, between):
                async with aclosing(registered(self._view, query, "")) as ids:
                    async for id_ in ids:
                        if (name := ref(query.type, id_)) not in found:
                            found[name] = None
                            waiting.append(name)
                        if len(found) > MOST:
                            raise _TooMany
        return sorted(scope for scope in found if split_ref(scope)[0] in type_.parents)

    def _inside(self, scope: str, types: Collection[str]) -> Iterable[ResourceQuery]:
        """Yield what asks for the resources of some types that stand in a scope."""
        for name in sorted(types):
            declared = self._schema.resources.get(name)
            if declared is not None and split_ref(scope)[0] in declared.parents:
                yield ResourceQuery(name, parent=scope)


class _Holding:
    """Who holds roles on scopes, by a grant, by what the pack says, or through a group."""

    def __init__(self, view: View, schema: Schema) -> None:
        self._links = Links(view)
        self._schema = schema

    async def walk(self, held: Iterable[tuple[str, str]]) -> Walk:
        """Return the walk through the members that hold any of the roles, each given with its scope.

        Raises:
            _TooMany: so many groups hold one that walks through all of them would be slower.
        """
        walks: list[Walk] = []
        groups: dict[str, None] = {}
        for scope, role in held:
            walks.append(partial(holders, self._links, role, scope))
            walks.append(partial(given, self._implied(scope, role, groups)))
            async with aclosing(granted_groups(self._links, role, scope)) as found:
                async for group in found:
                    groups[group] = None
                    if len(groups) > MOST:
                        raise _TooMany
        walks += (partial(inside, self._links, group) for group in await self._with_groups_inside(groups))
        return partial(merged, walks)

    def _implied(self, scope: str, role: str, groups: dict[str, None]) -> list[str]:
        """Return the members, and put into `groups` the groups, that hold a role on a scope without a grant."""
        type_, id_ = split_ref(scope)
        declared, held_by = self._schema.resources.get(type_), HeldBy.GRANT
        if role in self._schema.roles:
            held_by = self._schema.roles[role].held_by
        if held_by is HeldBy.GROUP and type_ == GROUP:
            groups[scope] = None
        by_member = held_by is HeldBy.MEMBER and declared is not None and declared.instances is InstanceOf.MEMBER
        return [id_] if by_member else []

    async def _with_groups_inside(self, groups: Collection[str]) -> list[str]:
        found = dict.fromkeys(groups)
        waiting = [*groups]
        while waiting:
            async with aclosing(groups_inside(self._links, waiting.pop())) as found_in_it:
                async for group in found_in_it:
                    if group not in found:
                        found[group] = None
                        waiting.append(group)
                    if len(found) > MOST:
                        raise _TooMany
        return [*found]


def _everything(view: View, schema: Schema, type_: ResourceType) -> Walk:
    """Return the walk through all that there is of a type."""
    match type_.instances:
        case InstanceOf.MEMBER:
            return partial(members, view, MemberQuery())
        case InstanceOf.GROUP:
            return partial(entries, view, EntryKind.GROUP)
        case InstanceOf.ROLE:
            return partial(merged, [partial(given, sorted(schema.roles)), partial(entries, view, EntryKind.ROLE)])
        case InstanceOf.RESOURCES:
            return partial(registered, view, ResourceQuery(type_.name))
