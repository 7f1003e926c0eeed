"""Tenants over gRPC: made with their first member, read and set."""

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from sidegate.authz.v1 import tenant_pb2 as pb
from support.servers.companies import refused


def founding(id_: str, **fields: object) -> pb.CreateTenantRequest:
    return pb.CreateTenantRequest(tenant_id=id_, founder=pb.Founder(member_id="ann"), **fields)


@pytest.mark.parametrize(
    ("pack", "role", "roles"),
    [
        ("eformsign", "representative_admin", ["representative_admin", "company_admin", "template_admin", "member"]),
        ("mekari-sign", "owner", ["owner", "admin", "member"]),
        ("engagelab", "Admin", ["Admin"]),
        ("standard", "owner", ["owner", "admin", "member"]),
    ],
)
async def test_a_new_tenant_has_its_packs_roles_and_one_first_member(found, pack, role, roles):
    """EL-04, MS-01, EF-01: the built-in roles are there at once, and the founder holds the first of them."""
    company = await found(pack)
    tenant = (await company.tenants.GetTenant(pb.GetTenantRequest(name=company.parent))).tenant

    assert (tenant.pack, list(tenant.roles), tenant.seats_taken) == (pack, roles, 1)
    assert list((await company.get("ann")).roles) == [role]


async def test_a_founder_is_allowed_immediately(found):
    """EF-01: the answer's revision is one that a Check waits for, and the founder is allowed by it."""
    company = await found("eformsign")
    assert await company.check("ann", "invite", "member") == (True, "allowed_by_rule")


async def test_a_tenant_is_made_once(found):
    """A second one of the same ID is ALREADY_EXISTS, and leaves the first as it is."""
    company = await found()
    refusal = await refused(company.tenants.CreateTenant(founding(company.tenant)), "ALREADY_EXISTS")

    assert refusal.code is grpc.StatusCode.ALREADY_EXISTS
    assert await company.list() == ["ann"]


async def test_only_the_platform_makes_tenants(found):
    """A member of one company can't make another."""
    company = await found()
    refusal = await refused(company.tenants.CreateTenant(founding("other", actor="member:ann")), "NOT_PERMITTED")

    assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
    await refused(company.tenants.GetTenant(pb.GetTenantRequest(name="tenants/other")), "NOT_FOUND")


async def test_all_errors_of_a_new_tenant_are_reported_together(found):
    """Bad IDs, e-mails and phone numbers each have their field."""
    company = await found()
    founder = pb.Founder(member_id="", email="nobody", phone="12")
    refusal = await refused(
        company.tenants.CreateTenant(pb.CreateTenantRequest(tenant_id="*", founder=founder)), "INVALID_INPUT"
    )
    assert set(refusal.violations) == {"tenant_id", "founder.member_id", "founder.email", "founder.phone"}

    refusal = await refused(
        company.tenants.CreateTenant(founding("other", tenant=pb.Tenant(pack="standart"))), "INVALID_INPUT"
    )
    assert refusal.violations == {"tenant.pack": "unknown pack `standart`: did you mean `standard`?"}


async def test_settings_are_set_one_by_one_and_as_a_whole(found):
    """A masked setting is set or taken away and leaves the others; `settings` replaces all."""
    company = await found("eformsign", seats=5)

    async def update(settings: dict[str, object], *paths: str, etag: str = "", actor: str = "") -> pb.Tenant:
        tenant = pb.Tenant(name=company.parent, etag=etag)
        tenant.settings.update(settings)
        request = pb.UpdateTenantRequest(tenant=tenant, update_mask=FieldMask(paths=paths), actor=actor)
        return (await company.tenants.UpdateTenant(request)).tenant

    one = await update({"require_mfa": True}, "settings.require_mfa")
    assert dict(one.settings.items()) == {"seats": 5.0, "require_mfa": True}
    assert dict((await update({}, "settings.require_mfa")).settings.items()) == {"seats": 5.0}
    assert dict((await update({"seats": 7}, "settings")).settings.items()) == {"seats": 7.0}

    await refused(update({"seats": 8}, "settings.seats", etag=one.etag), "STALE_ETAG")
    await refused(update({"seats": "many"}, "settings.seats"), "INVALID_INPUT")
    await refused(update({"chairs": 8}, "settings.chairs"), "INVALID_INPUT")
    await refused(update({}), "INVALID_INPUT")
    await refused(update({}, "pack"), "INVALID_INPUT")
    await refused(update({"seats": 8}, "settings.seats", actor="member:nobody"), "NOT_PERMITTED")
    assert dict((await update({"seats": 9}, "settings.seats", actor="member:ann")).settings.items()) == {"seats": 9.0}


async def test_a_repeated_request_is_done_once_and_answered_alike(found):
    """The same request_id with the same content gives the same answer; with other content it is refused."""
    company = await found()
    request = founding(f"{company.tenant}-again", request_id="r1")

    first = await company.tenants.CreateTenant(request)
    assert await company.tenants.CreateTenant(request) == first

    other = founding(f"{company.tenant}-again", request_id="r1", tenant=pb.Tenant(pack="eformsign"))
    assert "request_id" in (await refused(company.tenants.CreateTenant(other), "INVALID_INPUT")).violations


@pytest.mark.parametrize("name", ["", "acme", "tenants/", "tenants/a/b", "members/a", "tenants/*"])
async def test_a_wrong_name_names_its_field(found, name):
    """What is no tenant's name is refused before anything is read."""
    company = await found()
    refusal = await refused(company.tenants.GetTenant(pb.GetTenantRequest(name=name)), "INVALID_INPUT")
    assert set(refusal.violations) == {"name"}


async def test_an_actor_is_the_platform_or_a_member(found):
    """Any other text is refused, with what would be right."""
    company = await found()
    refusal = await refused(company.tenants.CreateTenant(founding("x", actor="ann")), "INVALID_INPUT")
    assert refusal.violations == {"actor": "`ann` is not right: expected `platform` or `member:ann`"}
