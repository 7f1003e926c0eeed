"""Tenants: made with their first member, and their settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sidegate.entries import member_payload
from sidegate.errors import AlreadyExists, InvalidInput, NotFound, NotPermitted, Violation
from sidegate.membership.commander import Commander, Written
from sidegate.membership.etags import etag_of, require_fresh
from sidegate.membership.finding import near, one_of
from sidegate.membership.step import Caller, Step
from sidegate.model import Entity, Grant, Json, Member, Properties, ref
from sidegate.policy.schema import Operation, Schema

SEATS = "seats"
"""The setting that bounds how many members are active or invited (EF-13)."""


@dataclass(frozen=True, slots=True)
class TenantOrder:
    """A tenant to make: `pack` is "" for the server's default, `owner` its first member."""

    tenant: str
    owner: Member
    pack: str = ""
    settings: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class SettingsUpdate:
    """Settings to set, None taking one away; `whole` takes away all that are not given; `etag` "" asks for nothing."""

    settings: Mapping[str, Json | None]
    whole: bool = False
    etag: str = ""


@dataclass(frozen=True, slots=True)
class TenantState:
    """A tenant as it is: `roles` are those that its pack builds in, on the tenant."""

    id: str
    pack: str
    settings: Properties
    roles: tuple[str, ...]
    seats_taken: int
    etag: str


class Tenants:
    """The use cases of tenants; `pack_names` are those that a tenant can name."""

    def __init__(self, commander: Commander, pack_names: Callable[[], Collection[str]]) -> None:
        self._commander = commander
        self._pack_names = pack_names

    async def create(self, order: TenantOrder, caller: Caller, respond: Callable[[TenantState], bytes]) -> Written:
        """Make a tenant with its first member, who holds the pack's first role (EL-04, MS-01, EF-01).

        Raises:
            AlreadyExists: there is a tenant of this ID.
            NotPermitted: somebody else than the platform asks for it.
            InvalidInput: the pack is not known, or a setting is not right.
        """

        async def plan(step: Step) -> TenantState:
            return await self._create(step, order)

        return await self._commander.perform(order.tenant, caller, plan=plan, respond=respond)

    async def get(self, tenant: str) -> TenantState:
        """Return a tenant.

        Raises:
            NotFound: there is none of this ID.
        """
        found, _ = await self._commander.store.entries(tenant, [(Entity.TENANT, ())])
        taken, revision = await self._commander.store.seats(tenant)
        if not found or not revision:
            raise NotFound(f"there is no tenant `{tenant}`")
        pack, settings = found[Entity.TENANT, ()]["pack"], found[Entity.TENANT, ()]["settings"]
        assert isinstance(pack, str)
        assert isinstance(settings, dict)
        return _state(tenant, pack, settings, schema=self._commander.schema_of(pack), taken=taken)

    async def update(
        self,
        tenant: str,
        update: SettingsUpdate,
        caller: Caller,
        respond: Callable[[TenantState], bytes],
    ) -> Written:
        """Set settings.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is no such tenant.
            StaleEtag: the tenant was altered since its etag was read.
            InvalidInput: the pack does not declare a setting, or one of another type.
        """

        async def plan(step: Step) -> TenantState:
            await step.ask(Operation.UPDATE_TENANT)
            stored = await step.draft.entry(Entity.TENANT) or {}
            require_fresh(update.etag, stored, name=tenant)
            merged = {**({} if update.whole else stored["settings"]), **update.settings}
            kept = {name: value for name, value in merged.items() if value is not None}
            step.draft.put(Entity.TENANT, payload={"pack": stored["pack"], "settings": kept})
            return _state(tenant, stored["pack"], kept, schema=step.schema, taken=await step.draft.seats())

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def _create(self, step: Step, order: TenantOrder) -> TenantState:
        if not step.caller.is_platform:
            raise NotPermitted("tenants are made by the platform alone", why="no_operation")
        if await step.draft.entry(Entity.TENANT) is not None:
            raise AlreadyExists(f"there is a tenant `{order.tenant}` already")
        schema = self._commander.schema_of(order.pack)
        if schema is None:
            names = self._pack_names()
            message = f"unknown pack `{order.pack}`: {near(order.pack, names, one_of(names))}"
            raise InvalidInput(Violation("pack", message))
        settings = dict(order.settings or {})
        grant = Grant(schema.founder, step.scope, ref("member", order.owner.id))
        key = (grant.role, grant.scope, grant.holder)
        await step.draft.load([(Entity.MEMBER, (order.owner.id,)), (Entity.GRANT, key)])
        step.draft.put(Entity.TENANT, payload={"pack": order.pack, "settings": settings})
        step.draft.put(Entity.MEMBER, order.owner.id, payload=member_payload(order.owner))
        step.draft.put(Entity.GRANT, *key, payload={})
        return _state(order.tenant, order.pack, settings, schema=schema, taken=1)


def _state(tenant: str, pack: str, settings: Properties, *, schema: Schema | None, taken: int) -> TenantState:
    return TenantState(
        id=tenant,
        pack=pack,
        settings=settings,
        roles=schema.on_tenant if schema else (),
        seats_taken=taken,
        etag=etag_of({"pack": pack, "settings": settings}),
    )
