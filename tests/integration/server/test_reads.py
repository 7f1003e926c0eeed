"""Permissions of reads: every read names its actor, and the tenant's own pack decides."""

import asyncio
from functools import partial

import grpc
import pytest

from sidegate.authz.v1 import history_pb2, membership_pb2, resource_pb2, role_pb2, tenant_pb2
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from support.servers.companies import refused
from support.servers.sidecar import failure

ADMINS = {"mekari-sign": "admin", "engagelab": "Admin", "eformsign": "company_admin", "standard": "admin"}


def reads(company, actor, pack):
    """Return each read that the actor can try, most of them about leo and his documents."""
    history = HistoryServiceStub(company.channel).ListChanges
    of = {"parent": company.parent, "actor": actor}
    changes = {"parent": company.parent, "requester": actor}
    return {
        "tenant": partial(company.tenants.GetTenant, tenant_pb2.GetTenantRequest(name=company.parent, actor=actor)),
        "members": partial(company.members.ListMembers, membership_pb2.ListMembersRequest(**of)),
        "leo": partial(
            company.members.GetMember, membership_pb2.GetMemberRequest(name=company.name("leo"), actor=actor)
        ),
        "roles": partial(company.roles.ListRoles, role_pb2.ListRolesRequest(**of)),
        "role": partial(company.roles.GetRole, role_pb2.GetRoleRequest(name=company.role(ADMINS[pack]), actor=actor)),
        "groups": partial(company.groups.ListGroups, role_pb2.ListGroupsRequest(**of)),
        "group": partial(company.groups.GetGroup, role_pb2.GetGroupRequest(name=company.group("sales"), actor=actor)),
        "holders of a role": partial(company.roles.ListGrants, role_pb2.ListGrantsRequest(role=ADMINS[pack], **of)),
        "grants of leo": partial(company.roles.ListGrants, role_pb2.ListGrantsRequest(holder="member:leo", **of)),
        "grants on a document": partial(company.roles.ListGrants, role_pb2.ListGrantsRequest(scope="document:d", **of)),
        "document": partial(
            company.resources.GetResource,
            resource_pb2.GetResourceRequest(name=company.resource("document:d"), actor=actor),
        ),
        "count of leo's workspace": partial(
            company.resources.CountResources,
            resource_pb2.CountResourcesRequest(name=company.resource("workspace:leo"), actor=actor),
        ),
        "history of leo": partial(history, history_pb2.ListChangesRequest(member="leo", **changes)),
        "what leo did": partial(history, history_pb2.ListChangesRequest(actor="member:leo", **changes)),
        "audit": partial(history, history_pb2.ListChangesRequest(**changes)),
        "audit of a document": partial(history, history_pb2.ListChangesRequest(resource="document:d", **changes)),
        "report of members": partial(
            company.members.ListMembers, membership_pb2.ListMembersRequest(for_report=True, **of)
        ),
        "report of changes": partial(history, history_pb2.ListChangesRequest(for_report=True, **changes)),
    }


TABLES = {
    # MS-01 to MS-06, MS-11: owner and admins see users, teams and how much is in workspaces; MS-04, MS-13: the history
    # of others and reports are the owner's.
    "mekari-sign": {
        "tenant": {"ann"},
        "members": {"ann", "adam"},
        "leo": {"ann", "adam"},
        "roles": {"ann", "adam"},
        "role": {"ann", "adam"},
        "groups": {"ann", "adam"},
        "group": {"ann", "adam"},
        "holders of a role": {"ann", "adam"},
        "grants of leo": {"ann", "adam"},
        "grants on a document": {"ann", "leo"},
        "document": {"ann", "leo"},
        "count of leo's workspace": {"ann", "adam"},
        "history of leo": {"ann", "leo"},
        "what leo did": {"ann", "leo"},
        "audit": {"ann"},
        "audit of a document": {"ann"},
        "report of members": {"ann"},
        "report of changes": {"ann"},
    },
    # EL-03, EL-11, EL-13: the Admins' alone; what the pack maps to no action is the platform's.
    "engagelab": {
        "tenant": {"ann", "adam"},
        "members": {"ann", "adam"},
        "leo": {"ann", "adam"},
        "roles": {"ann", "adam"},
        "role": {"ann", "adam"},
        "groups": set(),
        "group": set(),
        "holders of a role": {"ann", "adam"},
        "grants of leo": {"ann", "adam"},
        "history of leo": {"ann", "adam"},
        "what leo did": {"ann", "adam"},
        "audit": {"ann", "adam"},
        "audit of a document": {"ann", "adam"},
        "report of members": set(),
        "report of changes": set(),
    },
    # EF-01: the representative admin reaches everything; EF-03: a company admin company, members and groups alone.
    "eformsign": {
        "tenant": {"ann", "adam"},
        "members": {"ann", "adam"},
        "leo": {"ann", "adam"},
        "roles": {"ann", "adam"},
        "role": {"ann", "adam"},
        "groups": {"ann", "adam"},
        "group": {"ann", "adam"},
        "holders of a role": {"ann", "adam"},
        "grants of leo": {"ann", "adam"},
        "grants on a document": {"ann", "leo"},
        "document": {"ann", "leo"},
        "history of leo": {"ann"},
        "what leo did": {"ann"},
        "audit": {"ann"},
        "audit of a document": {"ann"},
        "report of members": {"ann"},
        "report of changes": {"ann"},
    },
    # ST-01 to ST-05: admins see members, groups and roles; audit and reports are the owner's.
    "standard": {
        "tenant": {"ann"},
        "members": {"ann", "adam"},
        "leo": {"ann", "adam"},
        "roles": {"ann", "adam"},
        "role": {"ann", "adam"},
        "groups": {"ann", "adam"},
        "group": {"ann", "adam"},
        "holders of a role": {"ann", "adam"},
        "grants of leo": {"ann", "adam"},
        "grants on a document": {"ann", "leo"},
        "document": {"ann", "leo"},
        "count of leo's workspace": {"ann", "adam"},
        "history of leo": {"ann"},
        "what leo did": {"ann"},
        "audit": {"ann"},
        "audit of a document": {"ann"},
        "report of members": {"ann"},
        "report of changes": {"ann"},
    },
}
EVERYTHING = set(TABLES["standard"])


async def peopled(found, pack):
    """Make a company of its founder ann, the admin adam, mia and leo, who owns a document, and the invited pia."""
    company = await found(pack)
    for who in ("adam", "mia", "leo"):
        roles = [ADMINS[pack]] if who == "adam" else [] if pack == "engagelab" else ["member"]
        await company.join(who, roles=roles)
    await company.invite("pia", roles=[ADMINS[pack]])
    await company.make_group("sales", "member:leo")
    if pack != "engagelab":
        parents = {"mekari-sign": ["workspace:leo"]}.get(pack, [])
        await company.register("document:d", *parents, owner="leo")
    return company


@pytest.mark.parametrize("pack", TABLES)
async def test_each_pack_decides_which_actors_may_read(found, pack):
    """MS-04, MS-05, MS-11, MS-13, EL-11, EL-13, EF-01, EF-03: each read is allowed to the actors in the table only."""
    company = await peopled(found, pack)
    readers = {read: set() for read in EVERYTHING}
    for actor in ("ann", "adam", "mia", "leo", "pia", "eve"):
        calls = reads(company, f"member:{actor}", pack)
        answers = await asyncio.gather(*(call() for call in calls.values()), return_exceptions=True)
        for read, answer in zip(calls, answers, strict=True):
            if not isinstance(answer, grpc.aio.AioRpcError):
                readers[read].add(actor)
            elif answer.code() is not grpc.StatusCode.PERMISSION_DENIED:
                raise answer
    assert readers == {read: TABLES[pack].get(read, set()) for read in EVERYTHING}


@pytest.mark.parametrize("actor", ["", "platform"])
async def test_the_platform_reads_everything(found, actor):
    """No pack is asked about the platform, which is also the actor when none is named."""
    company = await peopled(found, "engagelab")
    calls = reads(company, actor, "engagelab")
    for read in ("document", "grants on a document", "count of leo's workspace"):
        del calls[read]
    await asyncio.gather(*(call() for call in calls.values()))
    assert (await failure(reads(company, actor, "engagelab")["document"]())).info.reason == "NOT_FOUND"


async def test_a_refused_read_names_the_rule_and_the_reason(found):
    """MS-05, EL-09: a denial carries what the pack said; an operation that the pack lacks is reported as such."""
    signers = await peopled(found, "mekari-sign")
    status = await refused(reads(signers, "member:mia", "mekari-sign")["members"](), "NOT_PERMITTED")
    assert dict(status.info.metadata) == {"reason": "denied_by_rule", "rule": "MS-05"}
    status = await refused(reads(signers, "member:pia", "mekari-sign")["members"](), "NOT_PERMITTED")
    assert dict(status.info.metadata)["reason"] == "member_pending"
    senders = await peopled(found, "engagelab")
    status = await refused(reads(senders, "member:ann", "engagelab")["groups"](), "NOT_PERMITTED")
    assert dict(status.info.metadata) == {"reason": "no_operation"}


@pytest.mark.parametrize("pack", TABLES)
async def test_a_denied_actor_cant_learn_whether_an_instance_exists(found, pack):
    """Existing and missing instances are refused with the same text, apart from the name that the actor sent."""
    company = await peopled(found, pack)
    calls = (
        lambda id_: company.members.GetMember(
            membership_pb2.GetMemberRequest(name=company.name(id_("leo")), actor="member:mia")
        ),
        lambda id_: company.groups.GetGroup(
            role_pb2.GetGroupRequest(name=company.group(id_("sales")), actor="member:mia")
        ),
        lambda id_: company.roles.GetRole(role_pb2.GetRoleRequest(name=company.role(id_("R")), actor="member:mia")),
        lambda id_: company.resources.GetResource(
            resource_pb2.GetResourceRequest(name=company.resource(id_("document:d")), actor="member:mia")
        ),
        lambda id_: HistoryServiceStub(company.channel).ListChanges(
            history_pb2.ListChangesRequest(parent=company.parent, member=id_("leo"), requester="member:mia")
        ),
    )
    for call in calls:
        there = await refused(call(lambda id_: id_), "NOT_PERMITTED")
        absent = await refused(call(lambda id_: f"{id_}zzz"), "NOT_PERMITTED")
        assert there.message == absent.message.replace("zzz", "")
        assert there.info == absent.info


async def test_a_non_member_cant_learn_whether_a_tenant_exists(found):
    """A non-member gets the same refusal in a tenant that exists and in one that never existed."""
    company = await found("mekari-sign")
    actor = f"member:{company.founder}x"
    refusals = []
    for tenant in (company.tenant, "never"):
        stub = HistoryServiceStub(company.channel)
        parent = f"tenants/{tenant}"
        for call in (
            company.tenants.GetTenant(tenant_pb2.GetTenantRequest(name=parent, actor=actor)),
            company.groups.ListGroups(role_pb2.ListGroupsRequest(parent=parent, actor=actor)),
            stub.ListChanges(history_pb2.ListChangesRequest(parent=parent, requester=actor)),
        ):
            failed = await refused(call, "NOT_PERMITTED")
            refusals.append((failed.code, failed.message.replace(f"`{tenant}`", "`T`"), dict(failed.info.metadata)))
    assert len({str(one) for one in refusals}) == 1, refusals
    assert refusals[0][2] == {"reason": "not_a_member"}


async def test_a_page_token_belongs_to_its_actor(found):
    """A token that one actor was given opens no page for another, nor for the platform."""
    company = await peopled(found, "standard")
    asked = {"parent": company.parent, "page_size": 1}
    page = await company.members.ListMembers(membership_pb2.ListMembersRequest(actor="member:ann", **asked))
    for actor in ("member:adam", ""):
        request = membership_pb2.ListMembersRequest(actor=actor, page_token=page.next_page_token, **asked)
        status = await refused(company.members.ListMembers(request), "INVALID_INPUT")
        assert set(status.violations) == {"page_token"}


async def test_a_read_is_refused_from_the_revocation_on(found):
    """EL-13: a member whose role is revoked can't read by it any more, immediately and with any caches."""
    company = await peopled(found, "engagelab")
    assert await reads(company, "member:adam", "engagelab")["members"]()
    await company.revoke("Admin", "member:adam")
    await refused(reads(company, "member:adam", "engagelab")["members"](), "NOT_PERMITTED")


async def test_a_list_by_holder_leaves_out_documents_of_another(found):
    """ST-03: an admin sees what a member holds on the tenant and on templates, and not the names of documents."""
    company = await peopled(found, "standard")
    await company.register("template:t", owner="leo")
    request = role_pb2.ListGrantsRequest(parent=company.parent, holder="member:leo", actor="member:adam")
    listed = [(grant.role, grant.scope) for grant in (await company.roles.ListGrants(request)).grants]
    assert listed == [("member", "tenant"), ("owner", "template:t")]
    request.actor = ""
    assert ("owner", "document:d") in [
        (grant.role, grant.scope) for grant in (await company.roles.ListGrants(request)).grants
    ]


async def test_without_a_second_factor_one_may_still_look(found):
    """EL-12: where the tenant requires a second factor, views and lists are allowed without it, and writes are not."""
    company = await found("engagelab", require_mfa=True)
    request = membership_pb2.ListMembersRequest(parent=company.parent, actor="member:ann")
    assert len((await company.members.ListMembers(request)).members) == 1
    await refused(company.invite("uma", actor="member:ann"), "NOT_PERMITTED")


@pytest.mark.parametrize("actor", ["uma", "member:", "group:sales", "member:*", "a\nb"])
async def test_a_wrong_actor_is_named(found, actor):
    """An actor that is neither the platform nor a member is INVALID_ARGUMENT in every read."""
    company = await found("standard")
    request = membership_pb2.ListMembersRequest(parent=company.parent, actor=actor)
    status = await refused(company.members.ListMembers(request), "INVALID_INPUT")
    assert set(status.violations) == {"actor"}


async def test_a_workspace_is_monitored_by_counts(found):
    """MS-11: the counts of a workspace or folder and the time of its owner's last change, without any names."""
    company = await peopled(found, "mekari-sign")
    await company.register("document:e", "workspace:leo", "group:sales", actor="member:leo")
    await company.register("document:f", "group:sales")

    async def count(reference, actor="member:adam"):
        request = resource_pb2.CountResourcesRequest(name=company.resource(reference), actor=actor)
        answer = await company.resources.CountResources(request)
        return {one.type: one.count for one in answer.counts}, answer.HasField("last_change_time")

    assert await count("workspace:leo") == ({"document": 2}, True)
    assert await count("workspace:mia") == ({}, True)
    assert await count("workspace:pia") == ({}, False)
    assert await count("group:sales", actor="") == ({"document": 2}, True)
    assert await count("document:d", actor="") == ({}, False)
    for nobody in ("workspace:nobody", "group:nobody", "document:nothing"):
        await refused(count(nobody, actor=""), "NOT_FOUND")
    await refused(count("workspace:nobody", actor="member:mia"), "NOT_PERMITTED")
    await refused(count("workspace", actor=""), "INVALID_INPUT")


async def test_nobody_in_a_suspended_tenant_reads(found):
    """Members of a suspended tenant are refused with that reason only; the platform reads as before."""
    company = await peopled(found, "standard")
    await company.tenants.SuspendTenant(tenant_pb2.SuspendTenantRequest(name=company.parent))
    status = await refused(reads(company, "member:ann", "standard")["members"](), "NOT_PERMITTED")
    assert status.info.metadata["reason"] == "tenant_suspended"
    assert (await reads(company, "", "standard")["members"]()).members
