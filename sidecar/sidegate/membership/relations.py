"""Who holds which role on a resource: on it or on its ancestors, directly or through groups."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

from sidegate.errors import NotFound, NotPermitted
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.read import ReadRunner
from sidegate.model.change import EntryKind
from sidegate.model.facts import Grant
from sidegate.model.page import GrantQuery, Relation
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import HeldBy, InstanceOf, Operation

_GROUP: Final = "group"
_HOLDERS: Final[Mapping[HeldBy, tuple[InstanceOf, str]]] = {
    HeldBy.GROUP: (InstanceOf.GROUP, _GROUP),
    HeldBy.MEMBER: (InstanceOf.MEMBER, "member"),
}


@dataclass(frozen=True, slots=True, order=True)
class HeldRole:
    """A role that a member or group holds on a scope; in the order of the list, those on the resource itself first.

    `distance` is that from the resource to the scope. `grantee` holds the role itself, by a grant or (`granted`
    False) as its pack says of the members of a group's folder; `holder` does through the groups of `through`, from
    the grantee on to the one that it belongs to.
    """

    distance: int
    scope: str
    granted: bool
    role: str
    grantee: str
    through: tuple[str, ...] = ()
    holder: str = ""


@dataclass(frozen=True, slots=True)
class HeldRoles:
    """A page of what is held on a resource; `hidden` are scopes and groups that the actor may not view."""

    roles: list[HeldRole] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


class Relations:
    """The use case of who holds what on one resource."""

    def __init__(self, reads: ReadRunner) -> None:
        self._reads = reads

    async def list(self, tenant: str, reference: str, call: Call, *, after: HeldRole | None, limit: int) -> HeldRoles:
        """Return up to `limit` of the roles that are held on a resource and come after one, in their order.

        Roles on the tenant are left out: they are held on everything. The actor must be allowed to view the resource;
        for what is held on its ancestors and through groups, these, too.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such resource.
        """

        async def read(context: CommandContext) -> HeldRoles:
            await context.ask_view(reference)
            if await context.draft.entry(EntryKind.RESOURCE, reference) is None:
                raise NotFound(f"there is no `{reference}` in tenant `{tenant}`")
            walk = _RoleWalk(context, limit)
            held = HeldRoles(hidden=walk.hidden)
            async with aclosing(walk.roles(await walk.scopes(reference), after)) as found:
                async for role in found:
                    if after is None or role > after:
                        held.roles.append(role)
                    if len(held.roles) == limit:
                        break
            return held

        return await self._reads.run(tenant, call, read)


class _RoleWalk:
    """Walks held roles in their order, from a cursor on, and reads no more than a page in one call."""

    def __init__(self, context: CommandContext, page: int) -> None:
        self._context = context
        self._page = page
        self.hidden: list[str] = []

    async def scopes(self, reference: str) -> list[tuple[int, str]]:
        """Return the resource and its ancestors, nearest first, of each type the nearest, with their distances."""
        found = {split_ref(reference)[0]: (0, reference)}
        waiting = [(0, reference)]
        while waiting:
            distance, below = waiting.pop(0)
            stored = await self._context.draft.entry(EntryKind.RESOURCE, below)
            for parent in sorted(stored["parents"]) if stored else ():
                type_ = split_ref(parent)[0]
                if type_ not in found:
                    found[type_] = (distance + 1, parent)
                    waiting.append(found[type_])
        (first, *above) = sorted(found.values())
        return [first, *[(distance, scope) for distance, scope in above if await self._may_view(scope)]]

    async def roles(self, scopes: Sequence[tuple[int, str]], after: HeldRole | None) -> AsyncGenerator[HeldRole]:
        """Yield what is held on scopes, from about a cursor on."""
        for distance, scope in scopes:
            if after is not None and (distance, scope) < (after.distance, after.scope):
                continue
            here = after if after is not None and scope == after.scope else None
            async for top in self._on_scope(HeldRole(distance, scope, granted=False, role="", grantee=""), here):
                yield top
                if split_ref(top.grantee)[0] == _GROUP:
                    same = here is not None and (here.role, here.grantee) == (top.role, top.grantee)
                    async for role in self._through_group(top, here if same else None):
                        yield role

    async def _on_scope(self, template: HeldRole, after: HeldRole | None) -> AsyncGenerator[HeldRole]:
        """Yield what is held on one scope directly."""
        if after is None or not after.granted:
            for role, holder in self._without_grant(template.scope):
                yield replace(template, role=role, grantee=holder, holder=holder)
        last = None
        if after is not None and after.granted:
            last = Grant(after.role, after.scope, after.grantee)
            if await self._context.draft.entry(EntryKind.GRANT, last.role, last.scope, last.holder) is not None:
                yield _granted(template, last)
        while True:
            grants = await self._grants(template.scope, last)
            for grant in grants:
                yield _granted(template, grant)
            if len(grants) < self._page:
                return
            last = grants[-1]

    async def _through_group(self, top: HeldRole, after: HeldRole | None) -> AsyncGenerator[HeldRole]:
        """Yield who holds a group's role by belonging to it, each group once, whatever paths lead there."""
        seen: set[str] = set()
        waiting: list[tuple[str, ...]] = [(top.grantee,)]
        while waiting:
            path = waiting.pop()
            if path[-1] in seen or not await self._may_view_group(path[-1]):
                continue
            seen.add(path[-1])
            if after is None or path >= after.through:
                start = after.holder if after is not None and path == after.through else ""
                async for holder in self._members_of(path[-1], start):
                    yield replace(top, through=path, holder=holder)
            waiting += reversed([(*path, group) for group in await self._groups_of(path[-1])])

    def _without_grant(self, scope: str) -> list[tuple[str, str]]:
        type_, id_ = split_ref(scope)
        declared = self._context.schema.resources.get(type_)
        return sorted(
            (role.name, ref(_HOLDERS[role.held_by][1], id_))
            for role in self._context.schema.roles.values()
            if declared and type_ in role.on and role.held_by in _HOLDERS
            if _HOLDERS[role.held_by][0] is declared.instances
        )

    async def _grants(self, scope: str, last: Grant | None) -> Sequence[Grant]:
        tenant, limit = self._context.tenant, self._page
        on_it = GrantQuery(Relation.GRANTS_ON, scope)
        return await self._context.draft.read(lambda store: store.grant_page(tenant, on_it, after=last, limit=limit))

    async def _holders(self, group: str, after: str) -> Sequence[str]:
        tenant, id_, limit = self._context.tenant, split_ref(group)[1], self._page
        return await self._context.draft.read(lambda store: store.group_page(tenant, id_, after=after, limit=limit))

    async def _members_of(self, group: str, after: str) -> AsyncGenerator[str]:
        while True:
            holders = await self._holders(group, after)
            for holder in holders:
                yield holder
            if len(holders) < self._page:
                return
            after = holders[-1]

    async def _groups_of(self, group: str) -> list[str]:
        """Return the groups that belong to a group, which are listed before its members."""
        found: list[str] = []
        async with aclosing(self._members_of(group, "")) as inside:
            async for holder in inside:
                if split_ref(holder)[0] != _GROUP:
                    break
                found.append(holder)
        return found

    async def _may_view(self, scope: str) -> bool:
        try:
            await self._context.ask_view(scope)
        except NotPermitted:
            self.hidden.append(scope)
            return False
        return True

    async def _may_view_group(self, group: str) -> bool:
        try:
            await self._context.ask_about(Operation.GET_GROUP, {InstanceOf.GROUP: split_ref(group)[1]})
        except NotPermitted:
            if group not in self.hidden:
                self.hidden.append(group)
            return False
        return True


def _granted(template: HeldRole, grant: Grant) -> HeldRole:
    return replace(template, granted=True, role=grant.role, grantee=grant.holder, holder=grant.holder)
