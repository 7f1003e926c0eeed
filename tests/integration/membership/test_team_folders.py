"""A team's folder over gRPC: its members make documents there, and use them while in the team (MS-06)."""

from __future__ import annotations

import pytest

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.authz.v1 import role_pb2
from support.servers.companies import Company, refused

ALLOWED, DENIED = (True, "allowed_by_rule"), (False, "no_matching_rule")
SALES = "group:sales"


async def prepare(company: Company) -> None:
    """Make a mekari-sign company with an admin, and a team of mia and leo that fay does not belong to."""
    await company.join("adam", roles=["admin"])
    for member in ("mia", "leo", "fay"):
        await company.join(member, roles=["member"])
    await company.make_group("sales", "member:mia", "member:leo", actor="member:adam")
    await company.make_group("finance", "member:fay")


pytestmark = pytest.mark.company("mekari-sign", prepare=prepare)


async def add(company: Company, *members: str, group: str = "sales") -> None:
    request = role_pb2.AddGroupMembersRequest(name=company.group(group), members=members, actor="member:adam")
    await company.groups.AddGroupMembers(request)


async def remove(company: Company, *members: str, group: str = "sales") -> None:
    request = role_pb2.RemoveGroupMembersRequest(name=company.group(group), members=members, actor="member:adam")
    await company.groups.RemoveGroupMembers(request)


async def delete(company: Company, reference: str, actor: str) -> None:
    await company.resources.DeleteResource(pb.DeleteResourceRequest(name=company.resource(reference), actor=actor))


async def answers(company: Company, who: str, reference: str) -> dict[str, tuple[bool, str]]:
    return {action: await company.check(who, action, reference) for action in ("view", "edit", "send", "delete")}


async def test_a_member_makes_a_document_in_its_teams_folder(company: Company) -> None:
    """MS-06: it belongs to who registered it, who views, edits, sends and deletes it; the team views it."""
    made = await company.register("document:t1", SALES, actor="member:mia")
    assert (made.owner, list(made.parents)) == ("member:mia", [SALES])

    assert await answers(company, "mia", "document:t1") == {
        "view": ALLOWED,
        "edit": ALLOWED,
        "send": (False, "quota_exhausted"),
        "delete": ALLOWED,
    }
    await company.quotas.SetQuota(pb.SetQuotaRequest(name=company.name("mia"), quota=1))
    assert await company.check("mia", "send", "document:t1") == ALLOWED
    only_view = {"view": ALLOWED, "edit": DENIED, "send": DENIED, "delete": DENIED}
    assert await answers(company, "leo", "document:t1") == only_view
    for who in ("fay", "adam", "ann"):
        assert await answers(company, who, "document:t1") == dict.fromkeys(only_view, DENIED), who


async def test_only_the_team_makes_documents_in_its_folder(company: Company) -> None:
    """MS-06: members of other teams don't, and owner and admins only once they belong to the team."""
    for actor in ("member:fay", "member:adam", "member:ann"):
        refusal = await refused(company.register("document:t1", SALES, actor=actor), "NOT_PERMITTED")
        assert refusal.info.metadata["reason"] == "no_matching_rule"
    await refused(company.register("document:t1", "group:none", actor="member:mia"), "NOT_PERMITTED")
    await refused(company.register("document:t1", SALES, actor="member:mia", owner="leo"), "NOT_PERMITTED")
    refusal = await refused(company.register("document:t1", actor="member:mia"), "INVALID_INPUT")
    assert refusal.violations == {
        "resource.parents": "expected the `workspace` or `group` that a `document` is registered in"
    }

    await add(company, "member:adam")
    made = await company.register("document:t1", SALES, actor="member:adam")
    assert made.owner == "member:adam"
    assert await company.check("adam", "edit", "document:t1") == ALLOWED


async def test_a_document_in_two_folders_is_made_by_who_may_use_both(company: Company) -> None:
    """MS-06, MS-09: being allowed in one of the parents does not open the other."""
    for parents in (("workspace:mia", "group:finance"), ("workspace:leo", SALES)):
        await refused(company.register("document:t1", *parents, actor="member:mia"), "NOT_PERMITTED")
    made = await company.register("document:t1", "workspace:mia", SALES, actor="member:mia")
    assert list(made.parents) == [SALES, "workspace:mia"]
    assert await company.check("mia", "edit", "document:t1") == ALLOWED
    assert await company.check("leo", "view", "document:t1") == DENIED


async def test_who_leaves_the_team_loses_its_documents_until_back(company: Company) -> None:
    """MS-06: who made a document uses it while in the team, also through a team inside it."""
    await company.register("document:t1", SALES, actor="member:mia")
    await remove(company, "member:mia")
    nothing = dict.fromkeys(("view", "edit", "send", "delete"), DENIED)
    assert await answers(company, "mia", "document:t1") == nothing
    await refused(delete(company, "document:t1", "member:mia"), "NOT_PERMITTED")
    await refused(company.register("document:t2", SALES, actor="member:mia"), "NOT_PERMITTED")

    await company.make_group("emea", "member:mia")
    await add(company, "group:emea")
    assert await company.check("mia", "edit", "document:t1") == ALLOWED
    await company.register("document:t2", SALES, actor="member:mia")


async def test_who_made_a_document_deletes_it(company: Company) -> None:
    """MS-06: a teammate and an admin don't; the folder is deleted once nothing is in it."""
    await company.register("document:t1", SALES, actor="member:mia")
    for actor in ("member:leo", "member:adam"):
        await refused(delete(company, "document:t1", actor), "NOT_PERMITTED")
    folder = role_pb2.DeleteGroupRequest(name=company.group("sales"), actor="member:adam")
    await refused(company.groups.DeleteGroup(folder), "DOCUMENTS_HELD")

    await delete(company, "document:t1", "member:mia")
    assert await company.check("mia", "view", "document:t1") == DENIED
    await company.groups.DeleteGroup(folder)


async def test_a_teams_document_is_transferred_to_a_teammate(company: Company) -> None:
    """MS-06, MS-12: the heir edits it from then on, if in the team, and the former owner only views it."""
    await company.register("document:t1", SALES, actor="member:mia")
    assert await company.hand_over("mia", "fay", actor="member:adam") == 1
    assert await company.check("fay", "edit", "document:t1") == DENIED
    assert await company.hand_over("fay", "leo", actor="member:adam") == 1
    assert await company.check("leo", "edit", "document:t1") == ALLOWED
    assert await company.check("mia", "edit", "document:t1") == DENIED
    assert await company.check("mia", "view", "document:t1") == ALLOWED
