"""TenantService, whatever transport carries it."""

from __future__ import annotations

from typing import Final

from sidegate.authz.v1 import tenant_pb2 as pb
from sidegate.errors import InvalidInput, Violation
from sidegate.membership.invitation_rows import require_email, require_phone
from sidegate.membership.tenants import NewTenant, SettingsUpdate, TenantDeletion, Tenants, TenantState
from sidegate.model.facts import Member
from sidegate.model.page import TenantQuery
from sidegate.model.properties import Json
from sidegate.server.handlers.calls import mask_paths, read_call, write_call
from sidegate.server.handlers.writes import Writes
from sidegate.server.wire.names import name_of, tenant_of
from sidegate.server.wire.properties import read_properties, write_properties
from sidegate.server.wire.timestamps import write_timestamp
from sidegate.server.wire.tokens.confirmations import Confirmations
from sidegate.server.wire.tokens.pages import PageTokens
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals
from sidegate.server.wire.validation import Inspection

_SETTINGS: Final = "settings"
_SUSPENDED: Final = {pb.TENANT_STATE_ACTIVE: False, pb.TENANT_STATE_SUSPENDED: True}


class TenantHandler:
    """Reads and writes tenants; errors are Sidegate's own; the transport maps them."""

    def __init__(self, use_case: Tenants, tokens: RevisionTokens, seals: Seals) -> None:
        self._use_case = use_case
        self._tokens = tokens
        self._writes = Writes(tokens)
        self._pages = PageTokens(seals)
        self._confirmations = Confirmations(seals)

    async def create_tenant(self, message: pb.CreateTenantRequest) -> pb.CreateTenantResponse:
        """Create a tenant.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        inspection = Inspection()
        founder = message.founder
        inspection.identifier("tenant_id", message.tenant_id)
        inspection.identifier("founder.member_id", founder.member_id)
        inspection.label("founder.display_name", founder.display_name)
        inspection.found += require_email(founder.email, "founder.email")
        inspection.found += require_phone(founder.phone, "founder.phone")
        settings = read_properties(message.tenant.settings, "tenant.settings", inspection)
        inspection.finish()
        owner = Member(founder.member_id, name=founder.display_name, email=founder.email, phone=founder.phone)
        order = NewTenant(message.tenant_id, owner, message.tenant.pack, settings)
        return await self._writes.run(
            message.tenant_id,
            write_call(message),
            kind=pb.CreateTenantResponse,
            use_case=lambda call: self._use_case.create(order, call),
            respond=lambda state: pb.CreateTenantResponse(tenant=_tenant(state)),
        )

    async def get_tenant(self, message: pb.GetTenantRequest) -> pb.GetTenantResponse:
        """Return a tenant.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is none of this name.
        """
        found = await self._use_case.get(tenant_of(message.name, "name", stored=True), read_call(message))
        return pb.GetTenantResponse(tenant=_tenant(found))

    async def list_tenants(self, message: pb.ListTenantsRequest) -> pb.ListTenantsResponse:
        """Return a page of tenants.

        Raises:
            InvalidInput: a condition or the page's token is wrong.
            NotPermitted: the actor is not the platform.
        """
        page = self._pages.open(message)
        if message.state not in (pb.TENANT_STATE_UNSPECIFIED, *_SUSPENDED):
            raise InvalidInput(Violation("state", f"`{message.state}` is no state"))
        query = TenantQuery(suspended=_SUSPENDED.get(message.state))
        found = await self._use_case.list(query, read_call(message), after=page.after, limit=page.limit)
        tenants, token = self._pages.cut(page, found, lambda state: state.id)
        return pb.ListTenantsResponse(tenants=map(_tenant, tenants), next_page_token=token)

    async def update_tenant(self, message: pb.UpdateTenantRequest) -> pb.UpdateTenantResponse:
        """Update settings.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.tenant.name, "tenant.name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.UpdateTenantResponse,
            use_case=lambda call: self._use_case.update(tenant, _update(message), call),
            respond=lambda state: pb.UpdateTenantResponse(tenant=_tenant(state)),
        )

    async def suspend_tenant(self, message: pb.SuspendTenantRequest) -> pb.SuspendTenantResponse:
        """Suspend a tenant: everything in it is denied.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.name, "name", stored=True)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.SuspendTenantResponse,
            use_case=lambda call: self._use_case.suspend(tenant, call),
            respond=lambda state: pb.SuspendTenantResponse(tenant=_tenant(state)),
        )

    async def resume_tenant(self, message: pb.ResumeTenantRequest) -> pb.ResumeTenantResponse:
        """Resume a suspended tenant.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.name, "name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.ResumeTenantResponse,
            use_case=lambda call: self._use_case.resume(tenant, call),
            respond=lambda state: pb.ResumeTenantResponse(tenant=_tenant(state)),
        )

    async def delete_tenant(self, message: pb.DeleteTenantRequest) -> pb.DeleteTenantResponse:
        """Request a deletion, or confirm it.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.name, "name", stored=True)

        def respond(deletion: TenantDeletion) -> pb.DeleteTenantResponse:
            size = deletion.size
            answer = pb.DeleteTenantResponse(deleted=True, members=size.members, resources=size.resources)
            if deletion.state is not None:
                answer.deleted = False
                answer.confirmation_token = self._confirmations.token(message.name, deletion.etag)
                answer.tenant.CopyFrom(_tenant(deletion.state))
            return answer

        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.DeleteTenantResponse,
            use_case=lambda call: self._use_case.delete(tenant, call, confirmed=self._confirmations.etag(message)),
            respond=respond,
        )


def _update(message: pb.UpdateTenantRequest) -> SettingsUpdate:
    paths = mask_paths(
        message,
        known=lambda path: path == _SETTINGS or path.startswith(f"{_SETTINGS}."),
        expected="`settings` or `settings.<name>`",
    )
    inspection = Inspection()
    given = read_properties(message.tenant.settings, "tenant.settings", inspection)
    if inspection.found:
        raise InvalidInput(*inspection.found)
    if _SETTINGS in paths:
        return SettingsUpdate(given, whole=True, etag=message.tenant.etag)
    names = [path.removeprefix(f"{_SETTINGS}.") for path in paths]
    settings: dict[str, Json] = {name: given.get(name) for name in names}
    return SettingsUpdate(settings, etag=message.tenant.etag)


def _tenant(state: TenantState) -> pb.Tenant:
    return pb.Tenant(
        name=name_of(state.id),
        pack=state.pack,
        settings=write_properties(state.settings),
        roles=state.roles,
        seats_taken=state.seats_taken,
        etag=state.etag,
        state=pb.TENANT_STATE_SUSPENDED if state.suspended else pb.TENANT_STATE_ACTIVE,
        create_time=write_timestamp(state.created_at),
    )
