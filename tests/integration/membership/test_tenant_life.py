"""Tenants over gRPC: listed, suspended, resumed and deleted."""

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from sidegate.authz.v1 import history_pb2, membership_pb2
from sidegate.authz.v1 import tenant_pb2 as pb
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from support.servers.companies import refused

SUSPENDED, ACTIVE = pb.TENANT_STATE_SUSPENDED, pb.TENANT_STATE_ACTIVE
DENIED = (False, "tenant_suspended")


async def shown(company, **request) -> pb.Tenant:
    return (await company.tenants.GetTenant(pb.GetTenantRequest(name=company.parent, **request))).tenant


async def test_in_a_suspended_tenant_nobody_is_allowed_anything(found):
    """ST-24: from the answer on the owner, a pending and an unknown member are denied alike, until it is resumed."""
    company = await found("standard")
    await company.invite("pia")
    assert await company.check("ann", "invite", "member") == (True, "allowed_by_rule")

    revision = await company.suspend()
    for subject in ("ann", "pia", "stranger"):
        assert await company.check(subject, "invite", "member") == DENIED
    assert await company.check("ann", "invite", "member", revision=revision) == DENIED
    assert (await shown(company)).state == SUSPENDED

    await company.resume()
    assert await company.check("ann", "invite", "member") == (True, "allowed_by_rule")
    assert await company.check("pia", "invite", "member") == (False, "member_pending")
    assert (await shown(company)).state == ACTIVE


@pytest.mark.parametrize("pack", ["eformsign", "mekari-sign", "engagelab"])
async def test_suspension_needs_nothing_of_the_pack(found, pack):
    """EF-01, MS-02, EL-06: the first role of every pack is denied with the same reason while suspended."""
    company = await found(pack)
    await company.suspend()
    assert await company.check("ann", "invite", "member") == DENIED
    await company.resume()
    assert await company.check("ann", "invite", "member") == (True, "allowed_by_rule")


async def test_only_the_platform_writes_in_a_suspended_tenant(found):
    """ST-24: members' writes are refused, an acceptance too, and their reads; the platform's go on and hold later."""
    company = await found("standard")
    token = (await company.invite("pia")).results[0].member.invitation.token
    await company.suspend()

    refusal = await refused(company.invite("uma", actor="member:ann"), "TENANT_SUSPENDED")
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    await refused(company.accept(token, signed_in_account="pia"), "TENANT_SUSPENDED")
    await refused(company.resume(actor="member:ann"), "TENANT_SUSPENDED")
    await refused(company.end(actor="member:ann"), "TENANT_SUSPENDED")
    for reading in (company.list(actor="member:ann"), shown(company, actor="member:ann")):
        refusal = await refused(reading, "NOT_PERMITTED")
        assert (refusal.info.metadata["reason"], refusal.info.metadata["rule"]) == ("tenant_suspended", "ST-24")
    assert await company.list() == ["ann", "pia"]

    await company.grant("admin", "member:pia")
    assert (await shown(company)).state == SUSPENDED
    await company.resume()
    await company.accept(token, signed_in_account="pia")
    assert await company.check("pia", "invite", "member") == (True, "allowed_by_rule")


async def test_settings_are_set_while_suspended_and_keep_it_so(found):
    """An update of settings does not change the state, and each state has its own etag."""
    company = await found("standard", seats=5)
    before = await shown(company)
    await company.suspend()
    after = await shown(company)
    assert before.etag != after.etag

    tenant = pb.Tenant(name=company.parent, etag=before.etag)
    tenant.settings.update({"seats": 6})
    request = pb.UpdateTenantRequest(tenant=tenant, update_mask=FieldMask(paths=["settings.seats"]))
    await refused(company.tenants.UpdateTenant(request), "STALE_ETAG")
    request.tenant.etag = after.etag
    updated = (await company.tenants.UpdateTenant(request)).tenant
    assert (updated.state, updated.settings["seats"]) == (SUSPENDED, 6)
    assert updated.create_time == before.create_time
    assert await company.check("ann", "invite", "member") == DENIED


async def test_a_state_is_turned_once(found):
    """Suspending a suspended tenant, or resuming another, is WRONG_STATE; nobody but the platform does either."""
    company = await found("standard")
    await refused(company.resume(), "WRONG_STATE")
    await refused(company.resume(actor="member:ann"), "NOT_PERMITTED")
    await refused(company.suspend(actor="member:ann"), "NOT_PERMITTED")
    first = await company.suspend(request_id="s1")
    assert await company.suspend(request_id="s1") == first
    await refused(company.suspend(), "WRONG_STATE")
    missing = pb.SuspendTenantRequest(name="tenants/nowhere")
    await refused(company.tenants.SuspendTenant(missing), "NOT_FOUND")


async def test_facts_documents_carry_the_suspension(found):
    """An export says it and applying it keeps it; a document without it resumes the tenant."""
    company = await found("standard")
    await company.suspend()
    document = await company.export()
    assert "    suspended: true\n" in document

    await company.apply(document)
    assert await company.check("ann", "invite", "member") == DENIED
    await company.apply(document.replace("    suspended: true\n", ""))
    assert await company.check("ann", "invite", "member") == (True, "allowed_by_rule")
    await company.apply(document)
    assert await company.check("ann", "invite", "member") == DENIED


async def test_a_tenant_is_deleted_in_two_calls(found):
    """ST-02: the first call shows what would be deleted; the owner's second one leaves a tenant unknown."""
    company = await found("standard")
    await company.join("uma", roles=["member"])
    await company.register("template:nda", owner="uma")

    first = await company.end(actor="member:ann")
    assert (first.deleted, first.members, first.resources, first.tenant.seats_taken) == (False, 2, 1, 2)
    assert await company.check("ann", "delete", "tenant") == (True, "allowed_by_rule")
    await refused(company.end(first.confirmation_token, actor="member:uma"), "NOT_PERMITTED")

    second = await company.end(first.confirmation_token, actor="member:ann", request_id="d1")
    assert (second.deleted, second.members, second.resources) == (True, 2, 1)
    assert not second.HasField("tenant")
    assert await company.check("ann", "delete", "tenant") == (False, "tenant_unknown")
    assert await company.check("ann", "delete", "tenant", revision=second.revision) == (False, "tenant_unknown")
    assert await company.end(first.confirmation_token, actor="member:ann", request_id="d1") == second
    await refused(company.end(), "NOT_FOUND")
    await refused(shown(company), "NOT_FOUND")


@pytest.mark.parametrize("pack", ["eformsign", "mekari-sign", "engagelab"])
async def test_where_the_pack_says_nothing_only_the_platform_deletes(found, pack):
    """EF-01, MS-01, EL-03: who may do everything else in these packs does not end the company."""
    company = await found(pack)
    refusal = await refused(company.end(actor="member:ann"), "NOT_PERMITTED")
    assert refusal.info.metadata["reason"] == "no_operation"
    assert (await company.end((await company.end()).confirmation_token)).deleted


async def test_a_confirmation_is_only_for_what_was_shown(found):
    """Another number of members or resources than was shown, and another tenant's token, delete nothing."""
    company, other = await found("standard"), await found("standard")
    first = await company.end()
    await company.invite("uma")
    refusal = await refused(company.end(first.confirmation_token), "STALE_ETAG")
    assert refusal.code is grpc.StatusCode.ABORTED
    second = await company.end()
    await company.register("template:nda")
    await refused(company.end(second.confirmation_token), "STALE_ETAG")

    for token in ((await other.end()).confirmation_token, "forged"):
        wrong = await refused(company.end(token), "INVALID_INPUT")
        assert set(wrong.violations) == {"confirmation_token"}
    leaving = membership_pb2.DeleteMemberRequest(name=company.name("uma"))
    of_member = (await company.members.DeleteMember(leaving)).confirmation_token
    await refused(company.end(of_member), "INVALID_INPUT")
    assert await company.list() == ["ann", "uma"]


async def test_a_deleted_id_can_be_used_again(found):
    """A tenant made again has nothing left over, goes on counting, keeps its history, and no old token ends it."""
    company = await found("standard")
    await company.join("uma", roles=["admin"])
    await company.register("template:nda", owner="uma")
    spare = (await company.end()).confirmation_token
    deletion = await company.end(spare)

    again = pb.CreateTenantRequest(
        tenant_id=company.tenant, tenant=pb.Tenant(pack="standard"), founder=pb.Founder(member_id="uma")
    )
    made = await company.tenants.CreateTenant(again)
    assert made.revision != deletion.revision
    assert await company.check("uma", "delete", "tenant", revision=deletion.revision) == (True, "allowed_by_rule")
    assert await company.check("ann", "delete", "tenant") == (False, "not_a_member")
    await company.join("ann", roles=["member"])
    await company.register("template:nda")
    await refused(company.end(spare), "STALE_ETAG")
    assert await company.holders("admin") == []

    answer = await HistoryServiceStub(company.channel).ListChanges(
        history_pb2.ListChangesRequest(parent=company.parent, kind="tenant", oldest_first=True)
    )
    kinds = [(one.change.HasField("before"), one.change.HasField("after")) for one in answer.changes]
    assert kinds == [(False, True), (True, False), (False, True)]


async def test_tenants_are_listed_by_page_and_state(found):
    """Pages go by ID without gaps or repeats; a state is a condition that a token is bound to; members list nothing."""
    company = await found("standard")
    names = [f"{company.tenant}-{n}" for n in range(5)]
    for name in names:
        founder = pb.Founder(member_id="ann")
        await company.tenants.CreateTenant(pb.CreateTenantRequest(tenant_id=name, founder=founder))
    for name in names[1:3]:
        await company.tenants.SuspendTenant(pb.SuspendTenantRequest(name=f"tenants/{name}"))

    async def listed(size: int, **query: object) -> list[str]:
        seen: list[str] = []
        token = ""
        while True:
            request = pb.ListTenantsRequest(page_size=size, page_token=token, **query)
            page = await company.tenants.ListTenants(request)
            assert len(page.tenants) <= size
            seen += [tenant.name.removeprefix("tenants/") for tenant in page.tenants]
            token = page.next_page_token
            if not token:
                return [name for name in seen if name.startswith(f"{company.tenant}-")]

    assert await listed(2) == names
    assert await listed(1, state=SUSPENDED) == names[1:3]
    assert await listed(1000, state=ACTIVE) == [names[0], *names[3:]]

    first = await company.tenants.ListTenants(pb.ListTenantsRequest(page_size=1))
    assert first.tenants[0].state in (ACTIVE, SUSPENDED)
    assert first.tenants[0].HasField("create_time")
    other = pb.ListTenantsRequest(page_token=first.next_page_token, state=SUSPENDED)
    assert set((await refused(company.tenants.ListTenants(other), "INVALID_INPUT")).violations) == {"page_token"}
    unknown = pb.ListTenantsRequest(state=9)
    assert set((await refused(company.tenants.ListTenants(unknown), "INVALID_INPUT")).violations) == {"state"}
    await refused(company.tenants.ListTenants(pb.ListTenantsRequest(actor="member:ann")), "NOT_PERMITTED")
