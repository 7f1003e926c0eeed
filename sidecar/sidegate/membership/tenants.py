"""Tenants: created with their first member, updated, suspended, resumed and deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sidegate.documents.suggestions import near, one_of
from sidegate.errors import AlreadyExists, InvalidInput, NotFound, NotPermitted, StaleEtag, Violation, WrongState
from sidegate.facts.entry_fault import EntryFault
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.etags import etag_of, require_etag
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.request_fields import FieldOf
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.model.change import EntryKind
from sidegate.model.entry import Payload, is_suspended, member_payload, tenant_payload
from sidegate.model.facts import Grant, Member
from sidegate.model.page import TenantQuery, TenantRecord, TenantSize
from sidegate.model.properties import Json, Properties
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import Operation, Schema


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant to create: `pack` is "" for the server's default, `owner` its first member."""

    tenant: str
    owner: Member
    pack: str = ""
    settings: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class SettingsUpdate:
    """Settings to set, None removes one; `whole` removes all that are not given; an empty `etag` requires nothing."""

    settings: Mapping[str, Json | None]
    whole: bool = False
    etag: str = ""


@dataclass(frozen=True, slots=True)
class TenantState:
    """A tenant as it is: `roles` are those that its pack builds in, on the tenant.

    `created_at` is None before the tenant is written.
    """

    id: str
    pack: str
    settings: Properties
    suspended: bool
    roles: tuple[str, ...]
    seats_taken: int
    created_at: datetime | None
    etag: str


@dataclass(frozen=True, slots=True)
class TenantDeletion:
    """What a deletion deletes; `state` is None once it is done, `etag` is what its confirmation is for."""

    state: TenantState | None
    size: TenantSize
    etag: str = ""


class Tenants:
    """The use cases of tenants; `pack_names` are those that a tenant can name."""

    def __init__(
        self, commands: CommandRunner, reads: ReadRunner, *, pack_names: Callable[[], Collection[str]]
    ) -> None:
        self._commands = commands
        self._reads = reads
        self._pack_names = pack_names

    async def create(self, order: NewTenant, call: Call) -> Written[TenantState]:
        """Create a tenant with its first member, which holds the pack's first role (EL-04, MS-01, EF-01).

        Raises:
            AlreadyExists: there is a tenant of this ID.
            NotPermitted: the actor is not the platform.
            InvalidInput: the pack is not known, or a setting is not right.
        """

        async def plan(context: CommandContext) -> TenantState:
            return await self._create(context, order)

        return await self._commands.run(order.tenant, call, plan=plan, field_of=_new_tenant_field)

    async def get(self, tenant: str, call: Call) -> TenantState:
        """Return a tenant.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is none of this ID.
        """

        async def read(context: CommandContext) -> TenantState:
            await context.ask(Operation.GET_TENANT)
            return self._state(await context.draft.tenant_record())

        return await self._reads.run(tenant, call, read)

    async def list(self, query: TenantQuery, call: Call, *, after: str, limit: int) -> Sequence[TenantState]:
        """Return a page of tenants, by ID.

        Raises:
            NotPermitted: the actor is not the platform.
        """
        _require_platform(call, "listed")
        found = await self._commands.store.tenant_page(query, after=after, limit=limit)
        return [self._state(record) for record in found]

    async def update(self, tenant: str, update: SettingsUpdate, call: Call) -> Written[TenantState]:
        """Set settings.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is no such tenant.
            StaleEtag: the tenant was changed since its etag was read.
            InvalidInput: the pack does not declare a setting, or one of another type.
        """

        async def plan(context: CommandContext) -> TenantState:
            await context.ask(Operation.UPDATE_TENANT)
            stored = await context.draft.entry(EntryKind.TENANT) or {}
            require_etag(update.etag, stored, name=tenant)
            merged = {**({} if update.whole else stored["settings"]), **update.settings}
            settings = {name: value for name, value in merged.items() if value is not None}
            return await _put(context, {**stored, "settings": settings})

        return await self._commands.run(tenant, call, plan=plan, field_of=_settings_field(update.settings))

    async def suspend(self, tenant: str, call: Call) -> Written[TenantState]:
        """Suspend a tenant: everything in it is denied until it is resumed.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is no such tenant.
            WrongState: the tenant is suspended already.
        """

        async def plan(context: CommandContext) -> TenantState:
            await context.ask(Operation.SUSPEND_TENANT)
            return await _set_suspended(context, suspended=True)

        return await self._commands.run(tenant, call, plan=plan)

    async def resume(self, tenant: str, call: Call) -> Written[TenantState]:
        """Resume a suspended tenant, which decides as before.

        No pack lets a member do it: everything in a suspended tenant is denied, and a tenant that the platform has
        suspended must not resume itself.

        Raises:
            NotPermitted: the actor is not the platform.
            NotFound: there is no such tenant.
            WrongState: the tenant is not suspended.
        """

        async def plan(context: CommandContext) -> TenantState:
            _require_platform(context.call, "resumed")
            return await _set_suspended(context, suspended=False)

        return await self._commands.run(tenant, call, plan=plan)

    async def delete(self, tenant: str, call: Call, *, confirmed: str) -> Written[TenantDeletion]:
        """Delete a tenant with all that is in it; `confirmed` is the etag that a first call without it returned.

        Its history remains; a new tenant of its ID continues its revision numbers.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is no such tenant.
            StaleEtag: the number of members or resources changed since the first call, or the tenant did.
        """

        async def plan(context: CommandContext) -> TenantDeletion:
            await context.ask(Operation.DELETE_TENANT)
            stored = await context.draft.entry(EntryKind.TENANT) or {}
            record, size = await context.draft.tenant_record(), await context.draft.size()
            made = record.created_at.isoformat()
            etag = etag_of({"tenant": stored, "made": made, "members": size.members, "resources": size.resources})
            if not confirmed:
                return TenantDeletion(self._state(record), size, etag)
            if confirmed != etag:
                message = f"`{tenant}` changed since the deletion was asked for: ask again"
                raise StaleEtag(message)
            context.draft.remove(EntryKind.TENANT)
            return TenantDeletion(None, size)

        return await self._commands.run(tenant, call, plan=plan)

    async def _create(self, context: CommandContext, order: NewTenant) -> TenantState:
        _require_platform(context.call, "made")
        if await context.draft.entry(EntryKind.TENANT) is not None:
            raise AlreadyExists(f"there is a tenant `{order.tenant}` already")
        schema = self._commands.schema_of(order.pack)
        if schema is None:
            names = self._pack_names()
            message = f"unknown pack `{order.pack}`: {near(order.pack, names, one_of(names))}"
            raise InvalidInput(Violation("tenant.pack", message))
        payload = tenant_payload(order.pack, order.settings or {}, suspended=False)
        grant = Grant(schema.founder, context.scope, ref("member", order.owner.id))
        key = (grant.role, grant.scope, grant.holder)
        await context.draft.load([(EntryKind.MEMBER, (order.owner.id,)), (EntryKind.GRANT, key)])
        context.draft.put(EntryKind.TENANT, payload=payload)
        context.draft.put(EntryKind.MEMBER, order.owner.id, payload=member_payload(order.owner))
        context.draft.put(EntryKind.GRANT, *key, payload={})
        return _state(order.tenant, payload, schema, taken=1)

    def _state(self, record: TenantRecord) -> TenantState:
        payload = tenant_payload(record.pack, record.settings, suspended=record.suspended)
        schema = self._commands.schema_of(record.pack)
        return _state(record.id, payload, schema, taken=record.seats_taken, created_at=record.created_at)


def _require_platform(call: Call, what: str) -> None:
    if not call.is_platform:
        raise NotPermitted(f"tenants are {what} by the platform alone", why="no_operation")


async def _set_suspended(context: CommandContext, *, suspended: bool) -> TenantState:
    """Draft that the tenant is suspended, or that it is not."""
    stored = await context.draft.entry(EntryKind.TENANT)
    if stored is None:
        raise NotFound(f"there is no tenant `{context.tenant}`")
    if is_suspended(stored) is suspended:
        state = "suspended already" if suspended else "not suspended"
        raise WrongState(f"the tenant `{context.tenant}` is {state}")
    return await _put(context, tenant_payload(stored["pack"], stored["settings"], suspended=suspended))


async def _put(context: CommandContext, payload: Payload) -> TenantState:
    """Draft the tenant's own new payload, and return the tenant as it is with it."""
    record = await context.draft.tenant_record()
    context.draft.put(EntryKind.TENANT, payload=payload)
    return _state(context.tenant, payload, context.schema, taken=record.seats_taken, created_at=record.created_at)


def _state(
    tenant: str, payload: Payload, schema: Schema | None, *, taken: int, created_at: datetime | None = None
) -> TenantState:
    pack, settings = payload["pack"], payload["settings"]
    assert isinstance(pack, str)
    assert isinstance(settings, dict)
    return TenantState(
        id=tenant,
        pack=pack,
        settings=settings,
        suspended=is_suspended(payload),
        roles=schema.on_tenant if schema else (),
        seats_taken=taken,
        created_at=created_at,
        etag=etag_of(payload),
    )


def _new_tenant_field(fault: EntryFault) -> str:
    match fault.entity:
        case EntryKind.TENANT:
            return ".".join(("tenant", *fault.detail))
        case EntryKind.MEMBER:
            return ".".join(("founder", *fault.detail))
        case _:
            return "founder.member_id"


def _settings_field(settings: Mapping[str, Json | None]) -> FieldOf:
    """Return a function that names the given setting, or the tenant for a stored one."""
    return lambda fault: ".".join(("tenant", *fault.detail)) if settings.keys() & {*fault.detail} else "tenant.name"
