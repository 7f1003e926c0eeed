"""CreateTenant, GetTenant and UpdateTenant, whatever transport carries them."""

from __future__ import annotations

from sidegate.authz.v1 import tenant_pb2 as pb
from sidegate.errors import InvalidInput
from sidegate.membership.invitees import require_email, require_phone
from sidegate.membership.tenants import SettingsUpdate, TenantOrder, Tenants, TenantState
from sidegate.model import Json, Member
from sidegate.server.callers import bytes_of, caller_of, masked, read_back
from sidegate.server.names import name_of, tenant_of
from sidegate.server.properties import read_properties, write_properties
from sidegate.server.revision import RevisionTokens
from sidegate.server.validation import Inspection

_SETTINGS = "settings"


class TenantHandler:
    """Reads and writes tenants; errors are Sidegate's own, for the transport to tell."""

    def __init__(self, use_case: Tenants, tokens: RevisionTokens) -> None:
        self._use_case = use_case
        self._tokens = tokens

    async def create_tenant(self, message: pb.CreateTenantRequest) -> pb.CreateTenantResponse:
        """Make a tenant.

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
        order = TenantOrder(message.tenant_id, owner, message.tenant.pack, settings)
        written = await self._use_case.create(
            order, caller_of(message), lambda state: bytes_of(pb.CreateTenantResponse(tenant=_tenant(state)))
        )
        return read_back(pb.CreateTenantResponse, written, message.tenant_id, tokens=self._tokens)

    async def get_tenant(self, message: pb.GetTenantRequest) -> pb.GetTenantResponse:
        """Return a tenant.

        Raises:
            NotFound: there is none of this name.
        """
        return pb.GetTenantResponse(tenant=_tenant(await self._use_case.get(tenant_of(message.name, "name"))))

    async def update_tenant(self, message: pb.UpdateTenantRequest) -> pb.UpdateTenantResponse:
        """Set settings.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.tenant.name, "tenant.name")
        written = await self._use_case.update(
            tenant,
            _update(message),
            caller_of(message),
            lambda state: bytes_of(pb.UpdateTenantResponse(tenant=_tenant(state))),
        )
        return read_back(pb.UpdateTenantResponse, written, tenant, tokens=self._tokens)


def _update(message: pb.UpdateTenantRequest) -> SettingsUpdate:
    paths = masked(
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
    )
