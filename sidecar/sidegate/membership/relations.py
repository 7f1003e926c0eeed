"""Who holds which role on a resource: on it or on what it stands in, and by themselves or through groups."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

from sidegate.errors import NotFound, NotPermitted
from sidegate.membership.command.caller import Caller
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
    """A role that a member or group holds on a scope; ordered as they are listed, the resource's own first.

    `distance` is that from the resource to the scope. `grantee` holds the role itself, by a grant or (`granted`
    False) as its pack says of the members of a group's folder; `holder` does through the groups of `through`, from
    the grantee on to the one that it stands in.
    """

    distance: int
    scope: str
    granted: bool
    role: str
    grantee: str
    through: tuple[str, ...] = ()
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A page of what is held on a resource; `hidden` are scopes and groups that the actor may not look into."""

    roles: list[HeldRole] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


class Relations:
    """The use case of who holds what on one resource."""

    def __init__(self, reads: ReadRunner) -> None:
        self._reads = reads

    async def list(self, tenant: str, reference: str, caller: Caller, *, after: HeldRole | None, limit: int) -> Held:
        """Return up to `limit` of the roles that are held on a resource and come after one, in their order.

        Roles on the tenant are left out: they are held on everything. Whoever may view the resource is told; what
        is held on its parents and through groups only who may look into these, too.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such resource.
        """

        async def look(context: CommandContext) -> Held:
            await context.ask_view(reference)
            if await context.draft.entry(EntryKind.RESOURCE, reference) is None:
                raise NotFound(f"there is no `{reference}` in tenant `{tenant}`")
            walk = _Walk(context, limit)
            held = Held(hidden=walk.hidden)
            async with aclosing(walk.roles(await walk.scopes(reference), after)) as found:
                async for role in found:
                    if after is None or role > after:
                        held.roles.append(role)
                    if len(held.roles) == limit:
                        break
            return held

        return await self._reads.run(tenant, caller, look)


class _Walk:
    """Walks what is held in its order, from some place on, and reads no more than a page at once."""

    def __init__(self, context: CommandContext, page: int) -> None:
        self._context = context
        self._page = page
        self.hidden: list[str] = []

    async def scopes(self, reference: str) -> list[tuple[int, str]]:
        """Return the resource and what it stands in, nearest first, of each type the nearest, with the distances."""
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
        return [first, *[place for place in above if await self._may_view(place[1])]]

    async def roles(self, scopes: Sequence[tuple[int, str]], after: HeldRole | None) -> AsyncGenerator[HeldRole]:
        """Yield what is held on scopes, from about a place on."""
        for distance, scope in scopes:
            if after is not None and (distance, scope) < (after.distance, after.scope):
                continue
            here = after if after is not None and scope == after.scope else None
            async for top in self._on(HeldRole(distance, scope, granted=False, role="", grantee=""), here):
                yield top
                if split_ref(top.grantee)[0] == _GROUP:
                    same = here is not None and (here.role, here.grantee) == (top.role, top.grantee)
                    async for role in self._through(top, here if same else None):
                        yield role

    async def _on(self, place: HeldRole, after: HeldRole | None) -> AsyncGenerator[HeldRole]:
        """Yield what is held on one scope without a group between."""
        if after is None or not after.granted:
            for role, holder in self._without_grant(place.scope):
                yield replace(place, role=role, grantee=holder, holder=holder)
        last = None
        if after is not None and after.granted:
            last = Grant(after.role, after.scope, after.grantee)
            if await self._context.draft.entry(EntryKind.GRANT, last.role, last.scope, last.holder) is not None:
                yield _granted(place, last)
        while True:
            grants = await self._grants(place.scope, last)
            for grant in grants:
                yield _granted(place, grant)
            if len(grants) < self._page:
                return
            last = grants[-1]

    async def _through(self, top: HeldRole, after: HeldRole | None) -> AsyncGenerator[HeldRole]:
        """Yield who holds a group's role by standing in it, each group once however many ways lead there."""
        seen: set[str] = set()
        waiting: list[tuple[str, ...]] = [(top.grantee,)]
        while waiting:
            path = waiting.pop()
            if path[-1] in seen or not await self._may_look_into(path[-1]):
                continue
            seen.add(path[-1])
            if after is None or path >= after.through:
                start = after.holder if after is not None and path == after.through else ""
                async for holder in self._inside(path[-1], start):
                    yield replace(top, through=path, holder=holder)
            waiting += reversed([(*path, group) for group in await self._groups_inside(path[-1])])

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

    async def _inside(self, group: str, after: str) -> AsyncGenerator[str]:
        while True:
            holders = await self._holders(group, after)
            for holder in holders:
                yield holder
            if len(holders) < self._page:
                return
            after = holders[-1]

    async def _groups_inside(self, group: str) -> list[str]:
        """Return the groups that stand in a group, which come before its members."""
        found: list[str] = []
        async with aclosing(self._inside(group, "")) as inside:
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

    async def _may_look_into(self, group: str) -> bool:
        try:
            await self._context.ask_about(Operation.GET_GROUP, {InstanceOf.GROUP: split_ref(group)[1]})
        except NotPermitted:
            if group not in self.hidden:
                self.hidden.append(group)
            return False
        return True


def _granted(place: HeldRole, grant: Grant) -> HeldRole:
    return replace(place, granted=True, role=grant.role, grantee=grant.holder, holder=grant.holder)
