"""Quota over gRPC: shared evenly, set by hand, taken and given back."""

import asyncio

import grpc
import pytest

from sidegate.authz.v1 import membership_pb2
from sidegate.authz.v1 import resource_pb2 as pb
from support.servers.companies import Company, refused


async def prepare(company: Company) -> None:
    """Make a mekari-sign company of four active members, one inactive and one pending, with a document of mia's."""
    for member in ("bob", "leo", "mia", "out"):
        await company.join(member, roles=["admin" if member == "bob" else "member"])
    await company.invite("new")
    await company.members.DeactivateMember(membership_pb2.DeactivateMemberRequest(name=company.name("out")))
    await company.register("document:d1", "workspace:mia", owner="mia")


pytestmark = pytest.mark.company("mekari-sign", prepare=prepare)


async def quotas(company):
    return {who: (await company.get(who)).quota for who in ("ann", "bob", "leo", "mia")}


async def allocate(company, total, **request):
    return await company.quotas.AllocateQuota(pb.AllocateQuotaRequest(parent=company.parent, total=total, **request))


async def test_quota_is_shared_evenly(company):
    """MS-08: all active members have the same, and the remainder goes one each to the first by ID."""
    answer = await allocate(company, 10, actor="member:bob")

    assert (answer.members, answer.share, answer.remainder) == (4, 2, 2)
    assert await quotas(company) == {"ann": 3, "bob": 3, "leo": 2, "mia": 2}
    for who in ("out", "new"):
        assert not (await company.get(who)).HasField("quota")


async def test_quota_is_set_by_hand(company):
    """MS-03, MS-08: owner and admins set it, members don't, and it decides at once."""
    request = pb.SetQuotaRequest(name=company.name("mia"), quota=1, actor="member:bob")
    assert await company.check("mia", "send", "document:d1") == (False, "quota_exhausted")
    await company.quotas.SetQuota(request)
    assert await company.check("mia", "send", "document:d1") == (True, "allowed_by_rule")

    request.actor = "member:mia"
    await refused(company.quotas.SetQuota(request), "NOT_PERMITTED")
    await refused(allocate(company, 5, actor="member:mia"), "NOT_PERMITTED")
    for wrong in (-1, 2**60):
        request = pb.SetQuotaRequest(name=company.name("mia"), quota=wrong)
        assert set((await refused(company.quotas.SetQuota(request), "INVALID_INPUT")).violations) == {"quota"}


async def test_quota_is_taken_never_below_zero_and_given_back(company):
    """MS-08: taking more than is left is refused and takes nothing; at zero the pack denies sending."""
    await allocate(company, 8)
    assert await company.consume("mia") == 1
    refusal = await refused(company.consume("mia", 2), "QUOTA_EXHAUSTED")
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    assert await company.consume("mia") == 0
    assert await company.check("mia", "send", "document:d1") == (False, "quota_exhausted")

    given = await company.quotas.ReleaseQuota(pb.ReleaseQuotaRequest(name=company.name("mia"), amount=3))
    assert given.quota == 3
    assert await company.check("mia", "send", "document:d1") == (True, "allowed_by_rule")


async def test_only_the_platform_takes_and_gives_back(company):
    """MS-08: nobody gives themselves quota by giving back what was never taken."""
    give = pb.ReleaseQuotaRequest(name=company.name("ann"), amount=5, actor="member:ann")
    await refused(company.quotas.ReleaseQuota(give), "NOT_PERMITTED")
    await refused(company.consume("mia", actor="member:ann"), "NOT_PERMITTED")
    await refused(company.consume("out"), "WRONG_STATE")
    await refused(company.consume("nobody"), "NOT_FOUND")
    await refused(company.consume("mia", -1), "INVALID_INPUT")


async def test_a_repeated_sending_takes_once(company):
    """MS-08: the same request_id takes quota once, however often it comes."""
    await allocate(company, 40)
    assert [await company.consume("mia", request_id="send-1") for _ in range(3)] == [9, 9, 9]
    assert await company.consume("mia", request_id="send-2") == 8


async def test_many_at_once_take_what_is_there_and_no_more(company):
    """MS-08: of twelve calls that consume from a quota of five at the same time, five succeed."""
    await company.quotas.SetQuota(pb.SetQuotaRequest(name=company.name("mia"), quota=5))
    ended = await asyncio.gather(*(company.consume("mia") for _ in range(12)), return_exceptions=True)

    assert sorted(left for left in ended if isinstance(left, int)) == [0, 1, 2, 3, 4]
    assert (await company.get("mia")).quota == 0


async def usage(company, **query):
    """Return the whole use of quota that a query finds, page by page."""
    found, token = [], ""
    while True:
        request = pb.ListQuotaUsageRequest(parent=company.parent, page_size=2, page_token=token, **query)
        page = await company.quotas.ListQuotaUsage(request)
        found += page.usage
        token = page.next_page_token
        if not token:
            return found


def sums(used):
    return [(getattr(one, one.WhichOneof("holder")), one.consumed, one.released, one.assigned) for one in used]


async def spend(company):
    """Share, take and give back; mia is in the team sales meanwhile, and bob is not."""
    await company.make_group("sales", "member:mia")
    await allocate(company, 8)
    await company.consume("mia", 2)
    await company.quotas.ReleaseQuota(pb.ReleaseQuotaRequest(name=company.name("mia"), amount=1))
    await company.consume("bob")


async def test_the_use_of_quota_by_day(company):
    """MS-08, MS-13: what each member and each team consumed, got back and was assigned, on the day."""
    await spend(company)
    used = await usage(company)
    assert sums(used) == [
        ("sales", 2, 1, 2),
        ("ann", 0, 0, 2),
        ("bob", 1, 0, 2),
        ("leo", 0, 0, 2),
        ("mia", 2, 1, 2),
    ]
    assert {one.start_time.seconds % 86400 for one in used} == {0}
    for step in (pb.QUOTA_STEP_DAY, pb.QUOTA_STEP_WEEK, pb.QUOTA_STEP_MONTH):
        assert sums(await usage(company, step=step)) == sums(used)
        assert sums(await usage(company, step=step, member="mia")) == [("mia", 2, 1, 2)]
        assert sums(await usage(company, step=step, group="sales")) == [("sales", 2, 1, 2)]
    assert await usage(company, end_time=used[0].start_time) == []
    assert await usage(company, start_time=used[0].start_time) == used


async def test_the_use_of_quota_entry_by_entry(company):
    """MS-08: each change of a quota by itself, the oldest first, with who made it and what was left."""
    await spend(company)
    used = await usage(company, step=pb.QUOTA_STEP_ENTRY, member="mia")
    assert sums(used) == [("mia", 0, 0, 2), ("mia", 2, 0, 0), ("mia", 0, 1, 0)]
    assert [one.quota for one in used] == [2, 0, 1]
    assert {one.actor for one in used} == {"platform"}
    assert await usage(company, step=pb.QUOTA_STEP_ENTRY, group="sales") == used
    assert len(await usage(company, step=pb.QUOTA_STEP_ENTRY)) == 7
    assert await usage(company, step=pb.QUOTA_STEP_ENTRY, start_time=used[1].start_time, member="mia") == used[1:]


READERS = {
    "one's own": ({"member": "mia"}, {"ann", "bob", "mia"}),
    "a team's": ({"group": "sales"}, {"ann", "bob"}),
    "everyone's": ({}, {"ann", "bob"}),
    "a report": ({"for_report": True}, {"ann"}),
}


@pytest.mark.parametrize("step", [pb.QUOTA_STEP_ENTRY, pb.QUOTA_STEP_MONTH])
async def test_the_pack_says_who_sees_the_use_of_quota(company, step):
    """MS-05, MS-08, MS-13: owner and admins see everyone's, a member its own, and the owner alone exports reports."""
    await spend(company)
    for query, readers in READERS.values():
        for actor in ("ann", "bob", "mia", "leo", "out", "stranger"):
            call = usage(company, step=step, actor=f"member:{actor}", **query)
            if actor in readers:
                assert await call
            else:
                await refused(call, "NOT_PERMITTED")


async def test_wrong_conditions_of_usage_are_named(company):
    """Each wrong field at once; a tenant that never was is NOT_FOUND, and a token belongs to its question."""
    wrong = pb.ListQuotaUsageRequest(parent=company.parent, member="*", step=9, page_size=1)
    wrong.start_time.seconds = 2**60
    refusal = await refused(company.quotas.ListQuotaUsage(wrong), "INVALID_INPUT")
    assert set(refusal.violations) == {"member", "step", "start_time"}
    never = pb.ListQuotaUsageRequest(parent="tenants/never")
    await refused(company.quotas.ListQuotaUsage(never), "NOT_FOUND")
    assert await usage(company) == []
    await spend(company)
    asked = pb.ListQuotaUsageRequest(parent=company.parent, page_size=1)
    token = (await company.quotas.ListQuotaUsage(asked)).next_page_token
    other = pb.ListQuotaUsageRequest(parent=company.parent, page_token=token, step=pb.QUOTA_STEP_ENTRY)
    assert set((await refused(company.quotas.ListQuotaUsage(other), "INVALID_INPUT")).violations) == {"page_token"}
