"""Candidates: all that could be allowed, and possibly more, found by indexes so that a list decides fewer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import aclosing
from functools import partial
from typing import Final

from sidegate.decision.search.ids import (
    GROUP,
    MEMBER,
    IdsAfter,
    Links,
    entry_ids,
    granted_ids,
    groups_in_group,
    groups_with_role,
    holder_ids,
    ids_in_group,
    known_ids,
    member_ids,
    merged_ids,
    resource_ids,
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
"""Groups, parents or custom roles beyond which a list decides about everything instead: each is a query of its own."""


class _TooMany(Exception):
    """To decide about everything is quicker."""


async def resources_of(view: View, snapshot: TenantSnapshot, request: Request) -> IdsAfter:
    """Return the resources of a type on which the subject could be allowed the action.

    Raises:
        RevisionConflict: the tenant is at another revision than the view.
        StoreUnavailable: the store does not answer.
    """
    type_ = snapshot.pack.pack.schema.resources[request.resource.type]
    if type_.name == TENANT:
        return partial(known_ids, [view.tenant])
    try:
        wanted = await _allowed_holders(view, snapshot, request)
        return await _Reachable(view, snapshot.pack.pack.schema, request.subject.id).sources(type_, wanted)
    except _TooMany:
        return _everything(view, snapshot.pack.pack.schema, type_)


async def subjects_of(view: View, snapshot: TenantSnapshot, request: Request, facts: ResourceFacts) -> IdsAfter:
    """Return the members that could be allowed the action on the resource.

    Raises:
        RevisionConflict: the tenant is at another revision than the view.
        StoreUnavailable: the store does not answer.
    """
    resource = request.resource
    # As `scope()` of the rules has them: the tenant is always that of the question.
    scopes = {**facts.ancestors, resource.type: ref(resource.type, resource.id), TENANT: ref(TENANT, view.tenant)}
    try:
        wanted = await _allowed_holders(view, snapshot, request)
        held = [(scopes[holder.scope], holder.role) for holder in sorted(wanted) if holder.scope in scopes]
        return await _RoleHolders(view, snapshot.pack.pack.schema).sources(held)
    except _TooMany:
        return partial(member_ids, view, MemberQuery(status=MemberStatus.ACTIVE))


async def _allowed_holders(view: View, snapshot: TenantSnapshot, request: Request) -> frozenset[Holder]:
    """Return the holders that any row, of the pack or of a custom role, could allow the action.

    Raises:
        _TooMany: that may be anyone, or is not known.
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


class _Reachable:
    """What a member can reach: the scopes on which it, or a group it belongs to, holds roles."""

    def __init__(self, view: View, schema: Schema, member: str) -> None:
        self._view = view
        self._links = Links(view)
        self._schema = schema
        self._member = member

    async def sources(self, type_: ResourceType, wanted: Collection[Holder]) -> IdsAfter:
        """Return the resources of a type on which, or on an ancestor of which, the member holds a wanted role.

        Raises:
            _TooMany: it holds one on the tenant, or on too many scopes.
        """
        groups = await self._groups()
        holders = [ref(MEMBER, self._member), *groups]
        above = await self._scopes(holders, {holder for holder in wanted if holder.scope != type_.name})
        if any(split_ref(scope)[0] == TENANT for scope in above):
            raise _TooMany
        own = [holder.role for holder in sorted(wanted) if holder.scope == type_.name]
        implied = sorted(split_ref(scope)[1] for scope in self._implied(type_.name, own, groups))
        parents = await self._parents(type_, above)
        sources: list[IdsAfter] = [partial(known_ids, implied)]
        sources += (partial(granted_ids, self._links, one, role, type_.name) for one in holders for role in own)
        sources += (partial(resource_ids, self._view, ResourceQuery(type_.name, parent=parent)) for parent in parents)
        return partial(merged_ids, sources)

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
        """Return the scopes on which the member, or a group it belongs to, holds a wanted role."""
        found: set[str] = set()
        for role, type_ in sorted((holder.role, holder.scope) for holder in wanted):
            found.update(self._implied(type_, (role,), by))
            for holder in by:
                async with aclosing(granted_ids(self._links, holder, role, type_, "")) as ids:
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
        """Return the possible parents of resources of the type, of all scopes and their descendants."""
        between = self._schema.scopes_of(type_.name) - {type_.name, TENANT}
        found = dict.fromkeys(scopes)
        waiting = [*scopes]
        while waiting:
            scope = waiting.pop()
            for query in self._children(scope, between):
                async with aclosing(resource_ids(self._view, query, "")) as ids:
                    async for id_ in ids:
                        if (name := ref(query.type, id_)) not in found:
                            found[name] = None
                            waiting.append(name)
                        if len(found) > MOST:
                            raise _TooMany
        return sorted(scope for scope in found if split_ref(scope)[0] in type_.parents)

    def _children(self, scope: str, types: Collection[str]) -> Iterable[ResourceQuery]:
        """Yield the queries for the resources of some types whose parent is a scope."""
        for name in sorted(types):
            declared = self._schema.resources.get(name)
            if declared is not None and split_ref(scope)[0] in declared.parents:
                yield ResourceQuery(name, parent=scope)


class _RoleHolders:
    """The members that hold roles on scopes, by a grant, by the pack's schema, or through a group."""

    def __init__(self, view: View, schema: Schema) -> None:
        self._links = Links(view)
        self._schema = schema

    async def sources(self, held: Iterable[tuple[str, str]]) -> IdsAfter:
        """Return the members that hold any of the roles, each with its scope.

        Raises:
            _TooMany: too many groups hold one.
        """
        sources: list[IdsAfter] = []
        groups: dict[str, None] = {}
        for scope, role in held:
            sources.append(partial(holder_ids, self._links, role, scope))
            sources.append(partial(known_ids, self._implied(scope, role, groups)))
            async with aclosing(groups_with_role(self._links, role, scope)) as found:
                async for group in found:
                    groups[group] = None
                    if len(groups) > MOST:
                        raise _TooMany
        sources += (partial(ids_in_group, self._links, group) for group in await self._with_subgroups(groups))
        return partial(merged_ids, sources)

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

    async def _with_subgroups(self, groups: Collection[str]) -> list[str]:
        found = dict.fromkeys(groups)
        waiting = [*groups]
        while waiting:
            async with aclosing(groups_in_group(self._links, waiting.pop())) as found_in_it:
                async for group in found_in_it:
                    if group not in found:
                        found[group] = None
                        waiting.append(group)
                    if len(found) > MOST:
                        raise _TooMany
        return [*found]


def _everything(view: View, schema: Schema, type_: ResourceType) -> IdsAfter:
    """Return everything of a type."""
    match type_.instances:
        case InstanceOf.MEMBER:
            return partial(member_ids, view, MemberQuery())
        case InstanceOf.GROUP:
            return partial(entry_ids, view, EntryKind.GROUP)
        case InstanceOf.ROLE:
            return partial(
                merged_ids, [partial(known_ids, sorted(schema.roles)), partial(entry_ids, view, EntryKind.ROLE)]
            )
        case InstanceOf.RESOURCES:
            return partial(resource_ids, view, ResourceQuery(type_.name))
