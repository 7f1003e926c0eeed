"""Identifiers with invisible characters, as older versions stored them: read and deleted by name, never allowed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidegate.authz.v1 import authorization_pb2 as authz
from sidegate.authz.v1 import history_pb2, membership_pb2, resource_pb2, role_pb2, tenant_pb2
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from sidegate.bootstrap.sidecar import serving
from sidegate.config.settings import GivenSettings
from sidegate.facts.diff import difference
from sidegate.facts.read import read_facts
from sidegate_adapters.sql import open_store
from support.servers.companies import Company, refused
from support.servers.sidecar import channel

OVERRIDE = "\u202e"
TENANT, UMA, SALES, DOCUMENT = (
    f"ac{OVERRIDE}me",
    f"u{OVERRIDE}ma",
    f"sa{OVERRIDE}les",
    f"document:d{OVERRIDE}1",
)
FACTS = f"""\
    pack: eformsign
    members:
      rep: {{roles: [representative_admin]}}
      lee: {{}}
      "{UMA}": {{roles: [company_admin]}}
    groups:
      "{SALES}": {{members: ["{UMA}", lee]}}
    resources:
      "{DOCUMENT}": {{owner: lee}}
      document:d2: {{owner: lee}}
      document:d3: {{owner: "{UMA}"}}
"""


async def stored(directory: Path) -> str:
    """Write facts as a version without the check of identifiers did; return the address of the database."""
    address = f"sqlite:///{directory}/facts.db"
    document = read_facts(f'tenants:\n  acme:\n{FACTS}  "{TENANT}":\n{FACTS}', "older.yaml")
    store = await open_store(address)
    changes = {tenant: difference(None, facts) for tenant, facts in document.tenants.items()}
    await store.write(changes, expected=dict.fromkeys(changes, 0), actor="older")
    await store.close()
    return address


@pytest.fixture
async def company(tmp_path: Path) -> AsyncIterator[Company]:
    address = await stored(tmp_path)
    settings = GivenSettings(database=address, listen=("127.0.0.1:0",), drain=0)
    async with serving(settings) as running, channel(running) as opened:
        yield Company(opened, TENANT, "rep")


async def test_what_is_stored_is_read_by_name(company: Company) -> None:
    """Records, lists and the history accept the name of what is stored."""
    assert (await company.get(UMA)).name == company.name(UMA)
    assert sorted(await company.list()) == ["lee", "rep", UMA]
    group = await company.groups.GetGroup(role_pb2.GetGroupRequest(name=company.group(SALES)))
    assert list(group.group.members) == ["member:lee", f"member:{UMA}"]
    found = await company.resources.GetResource(resource_pb2.GetResourceRequest(name=company.resource(DOCUMENT)))
    assert found.resource.owner == "member:lee"
    query = history_pb2.ListChangesRequest(parent=company.parent, member=UMA)
    assert (await HistoryServiceStub(company.channel).ListChanges(query)).changes


async def test_what_is_stored_is_deleted_by_name(company: Company) -> None:
    """Group membership, grant, group, document, member and tenant are removed one after the other."""
    name = company.group(SALES)
    await company.groups.RemoveGroupMembers(role_pb2.RemoveGroupMembersRequest(name=name, members=[f"member:{UMA}"]))
    await company.groups.DeleteGroup(role_pb2.DeleteGroupRequest(name=name))
    await company.revoke("company_admin", f"member:{UMA}")
    deletion = resource_pb2.DeleteResourceRequest(name=company.resource(DOCUMENT))
    await company.resources.DeleteResource(deletion)
    await company.hand_over(UMA, "lee")
    assert (await company.delete(UMA)).deleted
    assert await company.list() == ["lee", "rep"]
    asked = await company.tenants.DeleteTenant(tenant_pb2.DeleteTenantRequest(name=company.parent))
    confirmed = tenant_pb2.DeleteTenantRequest(name=company.parent, confirmation_token=asked.confirmation_token)
    assert (await company.tenants.DeleteTenant(confirmed)).deleted


async def test_nothing_new_names_it(company: Company) -> None:
    """Inside a tenant that can be named, a grant to such a member and a group with it are refused."""
    acme = Company(company.channel, "acme", "rep")
    refusal = await refused(acme.grant("company_admin", f"member:{UMA}"), "INVALID_INPUT")
    assert list(refusal.violations) == ["grant.holder"]
    refusal = await refused(acme.make_group("team", f"member:{UMA}"), "INVALID_INPUT")
    assert list(refusal.violations) == ["members[0]"]
    refusal = await refused(acme.hand_over("lee", UMA), "INVALID_INPUT")
    assert list(refusal.violations) == ["to"]
    refusal = await refused(acme.make_group("team", actor=f"member:{UMA}"), "INVALID_INPUT")
    assert list(refusal.violations) == ["actor"]
    refusal = await refused(acme.make_role(f"ro{OVERRIDE}le", "member:invite"), "INVALID_INPUT")
    assert list(refusal.violations) == ["role_id"]
    refusal = await refused(acme.register("document:d9", owner=UMA), "INVALID_INPUT")
    assert list(refusal.violations) == ["owner"]
    row = membership_pb2.Invitee(account="zoe", member_id=f"z{OVERRIDE}oe", groups=[SALES])
    refusal = await refused(acme.invite(invitees=[row]), "INVALID_INPUT")
    assert list(refusal.violations) == ["invitees[0].member_id", "invitees[0].groups"]
    await refused(company.make_group("team"), "INVALID_INPUT")


async def test_no_question_about_it_is_allowed(company: Company) -> None:
    """A Check is refused, naming the code point and escaping it."""
    question = authz.CheckRequest(
        tenant=TENANT,
        subject=authz.Subject(id=UMA),
        action="view",
        resource=authz.Resource(type="document", id=f"d{OVERRIDE}1"),
    )
    refusal = await refused(AuthorizationServiceStub(company.channel).Check(question), "INVALID_INPUT")
    assert set(refusal.violations) == {"tenant", "subject.id", "resource.id"}
    assert "U+202E RIGHT-TO-LEFT OVERRIDE" in refusal.violations["tenant"]
    assert "ac\\u202eme" in refusal.violations["tenant"]
    assert not any(OVERRIDE in message for message in refusal.violations.values())


async def test_lists_of_what_is_allowed_leave_it_out(company: Company) -> None:
    """No list holds an ID that a Check refuses."""
    stub = AuthorizationServiceStub(company.channel)
    resources = await stub.ListResources(
        authz.ListResourcesRequest(
            tenant="acme",
            subject=authz.Subject(id="lee"),
            action="view",
            resource=authz.Resource(type="document"),
        )
    )
    assert [one.id for one in resources.resources] == ["d2"]
    for document, allowed in (("d2", ["lee", "rep"]), ("d3", ["rep"])):
        resource = authz.Resource(type="document", id=document)
        subjects = await stub.ListSubjects(authz.ListSubjectsRequest(tenant="acme", action="view", resource=resource))
        assert [one.id for one in subjects.subjects] == allowed
