"""What changed, asked over gRPC."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.authz.v1 import resource_pb2, role_pb2
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from support.servers.companies import refused

DOCUMENT = """\
tenants:
  TENANT:
    pack: standard
    members:
      ann: {email: ann@acme.example, roles: [owner]}
      uma: {roles: [member]}
      leo: {roles: [member]}
    groups:
      sales: {members: [uma]}
    resources:
      document:contract: {owner: uma}
"""


pytestmark = pytest.mark.company("standard", DOCUMENT, DOCUMENT.replace("owner: uma", "owner: leo"))
"""A company whose document is handed over from uma to leo."""


async def listed(company, **query):
    stub = HistoryServiceStub(company.channel)
    return (await stub.ListChanges(pb.ListChangesRequest(parent=company.parent, **query))).changes


def keys_of(changes):
    return [(one.change.entity, *one.change.key, one.change.HasField("after")) for one in changes]


async def test_a_documents_history_shows_its_hand_over(company):
    """EF-10: who made the document, who owned it, and who owns it now, oldest first, with actor and time."""
    changes = await listed(company, resource="document:contract", oldest_first=True)
    assert keys_of(changes) == [
        ("resource", "document:contract", True),
        ("grant", "owner", "document:contract", "member:uma", True),
        ("grant", "owner", "document:contract", "member:leo", True),
        ("grant", "owner", "document:contract", "member:uma", False),
    ]
    assert {one.actor for one in changes} == {"platform"}
    assert len({one.revision for one in changes}) == 2
    times = [one.time.ToNanoseconds() for one in changes]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"member": "leo", "kind": "grant", "role": "member"}, [("grant", "member", "tenant:T", "member:leo", True)]),
        ({"group": "sales", "kind": "group"}, [("group", "sales", True)]),
        ({"role": "owner", "member": "ann"}, [("grant", "owner", "tenant:T", "member:ann", True)]),
        ({"actor": "member:ann"}, []),
        ({"kind": "group_member"}, [("group_member", "sales", "member:uma", True)]),
    ],
)
async def test_changes_are_asked_for_by_conditions(company, query, expected):
    """Every condition that is given must hold."""
    found = [
        tuple(part if part != f"tenant:{company.tenant}" else "tenant:T" for part in one)
        for one in keys_of(await listed(company, **query))
    ]
    assert found == expected


async def test_the_actor_is_reported(company):
    """A member that invites is the actor of what that changed, and can be asked for."""
    await company.invite("eve", actor="member:ann")
    changes = await listed(company, actor="member:ann")
    assert {one.change.entity for one in changes} == {"member", "invitation"}
    assert {one.tenant for one in changes} == {company.parent}


async def test_pages_add_up_and_belong_to_their_question(company):
    """Pages of any size give the whole in order; a token of another question is refused."""
    stub = HistoryServiceStub(company.channel)
    whole = keys_of(await listed(company, page_size=1000))
    found, token = [], ""
    while True:
        request = pb.ListChangesRequest(parent=company.parent, page_size=3, page_token=token)
        page = await stub.ListChanges(request)
        found += keys_of(page.changes)
        if not page.next_page_token:
            break
        token = page.next_page_token
    assert found == whole
    for query in ({"oldest_first": True}, {"member": "uma"}, {"page_token": "x"}):
        asked = pb.ListChangesRequest(parent=company.parent, **{"page_token": token, **query})
        assert set((await refused(stub.ListChanges(asked), "INVALID_INPUT")).violations) == {"page_token"}


async def test_a_time_range_is_asked_for(company):
    """From a change's own time on, it and all later ones are listed; until that time, the earlier ones."""
    every = await listed(company, oldest_first=True)
    time = every[-1].time
    assert keys_of(await listed(company, start_time=time, oldest_first=True)) == keys_of(every[-2:])
    assert keys_of(await listed(company, end_time=time, oldest_first=True)) == keys_of(every[:-2])


async def test_every_wrong_condition_is_named_at_once(company):
    """Unknown kinds, resources without a type and impossible times are INVALID_ARGUMENT by their fields."""
    asked = pb.ListChangesRequest(
        parent=company.parent,
        member="*",
        resource="contract",
        kind="grants",
        actor="a\nb",
        start_time=Timestamp(seconds=2**60),
    )
    keys_of = await refused(HistoryServiceStub(company.channel).ListChanges(asked), "INVALID_INPUT")
    assert set(keys_of.violations) == {"member", "resource", "kind", "actor", "start_time"}


async def test_a_tenant_that_never_was_is_not_found(company):
    """A name that no change ever had is NOT_FOUND, not an empty history."""
    asked = pb.ListChangesRequest(parent="tenants/never")
    await refused(HistoryServiceStub(company.channel).ListChanges(asked), "NOT_FOUND")


async def team_work(found):
    """Make a company whose admin bob is in sales, a part of emea, while he invites eve, and out of it afterwards."""
    company = await found("mekari-sign")
    await company.join("bob", roles=["admin"])
    await company.join("mia", roles=["member"])
    await company.make_group("sales", "member:bob")
    await company.make_group("emea", "group:sales")
    await company.invite("eve", actor="member:bob")
    leave = role_pb2.RemoveGroupMembersRequest(name=company.group("sales"), members=["member:bob"])
    await company.groups.RemoveGroupMembers(leave)
    await company.invite("ugo", actor="member:bob")
    return company


async def test_activity_is_listed_by_team(found):
    """MS-07: what members did while they belonged to a team, or to one inside it, and nothing else of theirs."""
    company = await team_work(found)
    for group in ("sales", "emea"):
        changes = await listed(company, actor_group=group, oldest_first=True)
        assert keys_of(changes) == [("member", "eve", True), ("invitation", "eve", True)]
        assert {one.actor for one in changes} == {"member:bob"}
        assert keys_of(await listed(company, actor_group=group, page_size=1)) == [("invitation", "eve", True)]
    assert await listed(company, actor_group="sales", member="ugo") == []
    assert await listed(company, actor_group="nobody") == []
    for group in ("*", " "):
        refusal = await refused(listed(company, actor_group=group), "INVALID_INPUT")
        assert set(refusal.violations) == {"actor_group"}


async def test_the_pack_says_who_sees_the_activity_of_a_team(found):
    """MS-04, MS-07: owner and admin see a team's; of one member's the owner and the member; of all the owner alone."""
    company = await team_work(found)
    expected = {
        ("actor_group", "sales"): {"ann", "bob"},
        ("actor_group", "unknown"): {"ann", "bob"},
        ("member", "mia"): {"ann", "mia"},
        ("actor", "member:mia"): {"ann", "mia"},
        ("kind", "member"): {"ann"},
    }
    for (condition, value), readers in expected.items():
        for actor in ("ann", "bob", "mia"):
            call = listed(company, requester=f"member:{actor}", **{condition: value})
            if actor in readers:
                await call
            else:
                await refused(call, "NOT_PERMITTED")


async def test_the_cause_of_a_quota_change_is_reported(found):
    """MS-08: the history distinguishes quota that was consumed, released and set."""
    company = await team_work(found)
    name = company.name("mia")
    await company.quotas.SetQuota(resource_pb2.SetQuotaRequest(name=name, quota=5))
    await company.consume("mia", 2)
    await company.quotas.ReleaseQuota(resource_pb2.ReleaseQuotaRequest(name=name, amount=1))
    changes = await listed(company, member="mia", kind="member", page_size=3, oldest_first=False)
    assert [one.cause for one in changes] == ["released", "consumed", ""]
