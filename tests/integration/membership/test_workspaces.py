"""Personal workspaces over gRPC: made on joining, used by one, watched over by few."""

import pytest

from sidegate.authz.v1 import membership_pb2 as pb
from support.servers.companies import Company, refused


async def prepare(company: Company) -> None:
    """Make a mekari-sign company with an admin and two members, one of whom keeps a document in a workspace."""
    await company.join("adam", roles=["admin"])
    for member in ("mia", "leo"):
        await company.join(member, roles=["member"])
    await company.register("document:w1", "workspace:mia", actor="member:mia")


pytestmark = pytest.mark.company("mekari-sign", prepare=prepare)


async def allowed(company, action, resource):
    """Return who of the company may do it."""
    return {who for who in ("ann", "adam", "mia", "leo") if (await company.check(who, action, resource))[0]}


async def test_a_workspace_is_there_from_the_joining_on_and_is_ones_own(company):
    """MS-09: nobody but its member uses a workspace, an admin neither; that of a deleted member is nobody's."""
    for action, resource in (("open", "workspace:mia"), ("edit", "document:w1"), ("delete", "document:w1")):
        assert await allowed(company, action, resource) == {"mia"}, action
    invited = await company.invite("pia", roles=["member"])
    assert await company.check("pia", "open", "workspace:pia") == (False, "member_pending")
    await company.accept(invited.results[0].member.invitation.token)
    assert await company.check("pia", "open", "workspace:pia") == (True, "allowed_by_rule")


async def test_only_the_owner_inspects_a_workspace(company):
    """MS-10: the owner inspects, and sees the documents inside; admins and other members don't, and no more may act."""
    assert await allowed(company, "inspect", "workspace:mia") == {"ann"}
    assert await allowed(company, "view", "document:w1") == {"ann", "mia"}
    await company.delegate("adam")
    assert await allowed(company, "inspect", "workspace:mia") == {"adam"}
    assert await allowed(company, "view", "document:w1") == {"adam", "mia"}
    assert await allowed(company, "edit", "document:w1") == {"mia"}


async def test_owner_and_admins_monitor_workspaces(company):
    """MS-11: activity and counts are the owner's and the admins' to see, contents are not the admins'."""
    assert await allowed(company, "monitor", "workspace:mia") == {"ann", "adam"}
    assert not (await company.check("adam", "view", "document:w1"))[0]
    await company.members.DeactivateMember(pb.DeactivateMemberRequest(name=company.name("adam")))
    assert await company.check("adam", "monitor", "workspace:mia") == (False, "member_inactive")
    await refused(company.register("document:w2", "workspace:mia", actor="member:ann"), "NOT_PERMITTED")
