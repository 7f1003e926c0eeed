"""Quota over gRPC: shared evenly, set by hand, taken and given back."""

import asyncio

import grpc
import pytest

from sidegate.authz.v1 import membership_pb2
from sidegate.authz.v1 import resource_pb2 as pb
from support.companies import refused


@pytest.fixture
async def company(found):
    """A mekari-sign company of four active members, one inactive and one pending, with a document of mia's."""
    made = await found("mekari-sign")
    for member in ("bob", "leo", "mia", "out"):
        await made.join(member, roles=["admin" if member == "bob" else "member"])
    await made.invite("new")
    await made.members.DeactivateMember(membership_pb2.DeactivateMemberRequest(name=made.name("out")))
    await made.register("document:d1", "workspace:mia", owner="mia")
    return made


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
    told = await refused(company.consume("mia", 2), "QUOTA_EXHAUSTED")
    assert told.code is grpc.StatusCode.FAILED_PRECONDITION
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
    """MS-08: of twelve that take from a quota of five at the same moment, five succeed."""
    await company.quotas.SetQuota(pb.SetQuotaRequest(name=company.name("mia"), quota=5))
    ended = await asyncio.gather(*(company.consume("mia") for _ in range(12)), return_exceptions=True)

    assert sorted(left for left in ended if isinstance(left, int)) == [0, 1, 2, 3, 4]
    assert (await company.get("mia")).quota == 0
