"""Grants, groups and delegation over gRPC."""

import asyncio

import grpc
import pytest

from sidegate.authz.v1 import membership_pb2, role_pb2
from support.decisions.watching import listed
from support.servers.companies import refused

FORMS = """\
tenants:
  TENANT:
    pack: eformsign
    members:
      ann: {roles: [representative_admin], email: ann@acme.example}
      cam: {roles: [company_admin]}
      tina: {roles: [template_admin]}
      uma: {roles: [member]}
      dan: {roles: [member]}
      pia: {status: pending}
    groups:
      sales: {members: [uma]}
      admins: {}
    resources:
      template:nda: {owner: tina}
      template:offer: {}
      document:d1: {parents: [template:nda], owner: dan}
      document:d2: {parents: [template:offer]}
    grants:
      - {role: template_admin, on: tenant, to: group:admins}
"""


pytestmark = pytest.mark.company("eformsign", FORMS)
"""An eformsign company with one of each."""


async def test_template_users_are_designated_by_owner_and_representative(company):
    """EF-08: the owner and the representative admin designate members and groups; others are refused."""
    await company.grant("template_user", "group:sales", "template:nda", actor="member:tina")
    await company.grant("template_user", "member:dan", "template:nda", actor="member:ann")
    assert await company.check("uma", "create_document", "template:nda") == (True, "allowed_by_rule")
    assert await company.check("uma", "create_document", "template:offer") == (False, "no_matching_rule")

    for actor in ("member:cam", "member:uma", "member:dan"):
        await refused(company.grant("template_user", "member:cam", "template:nda", actor=actor), "NOT_PERMITTED")
    await refused(company.grant("template_user", "member:dan", "template:offer", actor="member:tina"), "NOT_PERMITTED")


async def test_document_managers_are_designated_by_the_representative(company):
    """EF-09: only the representative admin designates them, and they manage that template's documents alone."""
    for actor in ("member:tina", "member:cam"):
        await refused(company.grant("document_manager", "member:dan", "template:nda", actor=actor), "NOT_PERMITTED")
    revision = await company.grant("document_manager", "member:uma", "template:nda", actor="member:ann")
    assert await company.check("uma", "download_csv", "document:d1", revision=revision) == (True, "allowed_by_rule")
    assert await company.check("uma", "download_csv", "document:d2") == (False, "no_matching_rule")

    await company.revoke("document_manager", "member:uma", "template:nda", actor="member:ann")
    assert await company.check("uma", "download_csv", "document:d1") == (False, "no_matching_rule")


async def test_permissions_can_be_given_before_joining(company):
    """EF-14: a pending member is denied whatever it holds, and allowed at once on acceptance."""
    await company.grant("document_manager", "member:pia", "template:nda", actor="member:ann")
    assert await company.check("pia", "view", "document:d1") == (False, "member_pending")
    resent = await company.members.ResendInvitation(
        membership_pb2.ResendInvitationRequest(name=company.name("pia"), actor="member:ann")
    )
    await company.accept(resent.member.invitation.token)
    assert await company.check("pia", "view", "document:d1") == (True, "allowed_by_rule")


@pytest.mark.parametrize("role", ["company_admin", "template_admin"])
async def test_only_the_representative_makes_administrators(company, role):
    """EF-03, EF-05: company admins change members, and give and take neither of the two roles."""
    refusal = await refused(company.grant(role, "member:uma", actor="member:cam"), "NOT_PERMITTED")
    assert refusal.info.metadata["reason"] == "no_authority"
    await company.grant(role, "member:uma", actor="member:ann")
    await refused(company.revoke(role, "member:uma", actor="member:cam"), "NOT_PERMITTED")
    await company.revoke(role, "member:uma", actor="member:ann")
    await refused(company.grant("member", "member:uma", actor="member:cam"), "ALREADY_EXISTS")


async def test_who_edits_the_texts_of_notifications(company):
    """EF-04: representative and company admin edit them, others don't; with the role taken away it ends at once."""
    may = {who: (await company.check(who, "edit", "notification"))[0] for who in ("ann", "cam", "uma", "dan")}
    assert may == {"ann": True, "cam": True, "uma": False, "dan": False}
    await company.grant("company_admin", "member:uma", actor="member:ann")
    assert await company.check("uma", "edit", "notification") == (True, "allowed_by_rule")
    await company.revoke("company_admin", "member:uma", actor="member:ann")
    assert await company.check("uma", "edit", "notification") == (False, "no_matching_rule")


async def test_nobody_raises_themselves_through_a_group(company):
    """EF-05: into a group that holds a role goes only who is put there with authority over that role."""
    add = role_pb2.AddGroupMembersRequest(name=company.group("admins"), members=["member:cam"], actor="member:cam")
    await refused(company.groups.AddGroupMembers(add), "NOT_PERMITTED")
    add.name, add.members[:] = company.group("sales"), ["member:cam"]
    await company.groups.AddGroupMembers(add)

    inside = role_pb2.AddGroupMembersRequest(name=company.group("admins"), members=["group:sales"], actor="member:cam")
    await refused(company.groups.AddGroupMembers(inside), "NOT_PERMITTED")
    invitee = membership_pb2.Invitee(account="eve", groups=["admins"])
    await refused(company.invite(invitees=[invitee], actor="member:cam"), "NOT_PERMITTED")

    inside.actor = "member:ann"
    await company.groups.AddGroupMembers(inside)
    assert await company.check("uma", "register", "template") == (True, "allowed_by_rule")
    add.members[:] = ["member:dan"]
    await refused(company.groups.AddGroupMembers(add), "NOT_PERMITTED")


async def test_the_representative_delegates_the_position(company):
    """EF-02: in one recorded revision the other comes to hold it and the former no more; others can't delegate."""
    for actor in ("member:cam", "member:tina", "member:uma"):
        await refused(company.delegate("uma", actor=actor), "NOT_PERMITTED")
    answer = await company.delegate("uma", actor="member:ann")

    assert (answer.role, answer.former, answer.holder) == ("representative_admin", "ann", "uma")
    assert await company.holders("representative_admin") == ["member:uma"]
    assert await company.check("uma", "delegate", "company", revision=answer.revision) == (True, "allowed_by_rule")
    assert (await company.check("ann", "delegate", "company"))[0] is False
    changes = await listed(company.channel, company.parent, role="representative_admin")
    recorded = [one for one in changes if one.revision == answer.revision]
    assert {(one.change.key[2], one.change.HasField("after")) for one in recorded} == {
        ("member:uma", True),
        ("member:ann", False),
    }
    assert {one.actor for one in recorded} == {"member:ann"}


async def test_the_position_goes_to_one_who_can_act(company):
    """EF-02: not to a pending or unknown member, nor to the holder; and only what exactly one holds is delegated."""
    await refused(company.delegate("pia"), "WRONG_STATE")
    await refused(company.delegate("nobody"), "NOT_FOUND")
    await refused(company.delegate("ann"), "INVALID_INPUT")
    await refused(company.delegate("uma", role="company_admin"), "INVALID_INPUT")
    assert await company.holders("representative_admin") == ["member:ann"]


async def test_the_one_position_is_neither_granted_nor_revoked(company):
    """EF-01, EF-02: a second holder, or none, can't come about."""
    await refused(company.grant("representative_admin", "member:uma"), "INVALID_INPUT")
    refusal = await refused(company.revoke("representative_admin", "member:ann"), "LAST_HOLDER")
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    await refused(company.revoke("owner", "member:tina", "template:nda"), "LAST_HOLDER")


async def test_many_delegations_at_once_leave_one_holder(company):
    """EF-02: after delegations at the same time, each by the holder of that time, there is exactly one holder."""
    tries = [company.delegate(to, actor="member:ann") for to in ("uma", "dan", "cam", "tina")]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in ended) == 1
    assert len(await company.holders("representative_admin")) == 1


async def test_where_a_member_holds_one_role_the_two_exchange_theirs(found):
    """MS-01: the company has its one owner, and each of the two has one role."""
    company = await found("mekari-sign")
    await company.join("bob", roles=["admin"])
    await company.delegate("bob")
    assert [list((await company.get(who)).roles) for who in ("ann", "bob")] == [["admin"], ["owner"]]
    await refused(company.grant("member", "member:ann"), "INVALID_INPUT")


@pytest.mark.parametrize(
    ("role", "holder", "scope", "field"),
    [
        ("template_usr", "member:uma", "template:nda", "grant.role"),
        ("template_user", "member:nobody", "template:nda", "grant.holder"),
        ("template_user", "group:nobody", "template:nda", "grant.holder"),
        ("template_user", "uma", "template:nda", "grant.holder"),
        ("template_user", "member:uma", "template:none", "grant.scope"),
        ("template_user", "member:uma", "document:d1", "grant.scope"),
        ("template_user", "member:uma", "nda", "grant.scope"),
        ("owner", "member:uma", "template:nda", "grant.holder"),
        ("template_user", "member:uma", "tenant", "grant.role"),
    ],
)
async def test_what_is_wrong_with_a_grant_names_its_part(company, role, holder, scope, field):
    """EF-08: unknown roles, holders and scopes, and one holder too many, are reported by field."""
    refusal = await refused(company.grant(role, holder, scope), "INVALID_INPUT")
    assert set(refusal.violations) == {field}


async def test_grants_come_in_pages(company):
    """EF-08: page after page every grant comes once, and a token is good for the question it was made for alone."""

    async def page(**asked: object) -> role_pb2.ListGrantsResponse:
        return await company.roles.ListGrants(role_pb2.ListGrantsRequest(parent=company.parent, **asked))

    for by, many in (({"holder": "member:dan"}, 2), ({"role": "template_admin"}, 2), ({"scope": "template:nda"}, 1)):
        whole, listed, token = await page(**by), [], ""
        while True:
            answer = await page(**by, page_size=1, page_token=token)
            listed += answer.grants
            if not (token := answer.next_page_token):
                break
        assert listed == [*whole.grants]
        assert (len(listed), whole.next_page_token) == (many, "")
    token = (await page(role="template_admin", page_size=1)).next_page_token
    await refused(page(role="member", page_token=token), "INVALID_INPUT")
    await refused(page(role="template_admin", page_token="forged"), "INVALID_INPUT")


async def test_grants_are_listed_by_holder_scope_and_role(company):
    """EF-08, EF-09: who holds what is read from any side."""

    async def listed(**by: str) -> list[tuple[str, str, str]]:
        answer = await company.roles.ListGrants(role_pb2.ListGrantsRequest(parent=company.parent, **by))
        return [(grant.role, grant.scope, grant.holder) for grant in answer.grants]

    assert await listed(holder="member:dan") == [
        ("member", "tenant", "member:dan"),
        ("owner", "document:d1", "member:dan"),
    ]
    assert await listed(scope="template:nda") == [("owner", "template:nda", "member:tina")]
    assert await listed(role="template_admin") == [
        ("template_admin", "tenant", "group:admins"),
        ("template_admin", "tenant", "member:tina"),
    ]
    for by in ({}, {"role": "member", "holder": "member:uma"}, {"scope": "tenant"}):
        await refused(listed(**by), "INVALID_INPUT")


async def test_groups_are_made_filled_emptied_and_deleted(company):
    """MS-06, EF-03: a group's life, each step effective when its call returns."""
    made = await company.make_group("emea", "member:dan", "group:sales", display_name="EMEA", actor="member:cam")
    assert (made.display_name, list(made.members)) == ("EMEA", ["group:sales", "member:dan"])
    await company.grant("template_user", "group:emea", "template:nda")
    assert await company.check("uma", "create_document", "template:nda") == (True, "allowed_by_rule")

    name = company.group("emea")
    await company.groups.RemoveGroupMembers(role_pb2.RemoveGroupMembersRequest(name=name, members=["group:sales"]))
    assert await company.check("uma", "create_document", "template:nda") == (False, "no_matching_rule")
    await company.groups.RenameGroup(role_pb2.RenameGroupRequest(name=name, display_name="Europe"))
    shown = (await company.groups.GetGroup(role_pb2.GetGroupRequest(name=name))).group
    assert (shown.display_name, list(shown.members)) == ("Europe", ["member:dan"])

    await company.groups.DeleteGroup(role_pb2.DeleteGroupRequest(name=name, actor="member:cam"))
    assert await company.check("dan", "create_document", "template:nda") == (False, "no_matching_rule")
    await refused(company.groups.GetGroup(role_pb2.GetGroupRequest(name=name)), "NOT_FOUND")
    groups = (await company.groups.ListGroups(role_pb2.ListGroupsRequest(parent=company.parent, page_size=1))).groups
    assert [group.name for group in groups] == [company.group("admins")]


async def test_no_group_contains_itself(company):
    """MS-06: a cycle of groups is refused, however long."""
    await company.make_group("emea", "group:sales")
    await company.make_group("world", "group:emea")
    for group, inside in (("sales", "group:world"), ("sales", "group:sales"), ("sales", "group:emea")):
        add = role_pb2.AddGroupMembersRequest(name=company.group(group), members=[inside])
        refusal = await refused(company.groups.AddGroupMembers(add), "INVALID_INPUT")
        assert set(refusal.violations) == {"members[0]"}


async def test_errors_of_groups(company):
    """MS-06: existing and absent groups, and absent members, get different errors."""
    await refused(company.make_group("sales"), "ALREADY_EXISTS")
    await refused(company.make_group("*"), "INVALID_INPUT")
    await refused(company.make_group("new", "member:nobody"), "INVALID_INPUT")
    await refused(company.make_group("new", actor="member:uma"), "NOT_PERMITTED")
    removal = role_pb2.RemoveGroupMembersRequest(name=company.group("sales"), members=["member:dan"])
    await refused(company.groups.RemoveGroupMembers(removal), "NOT_FOUND")
    removal.name = company.group("none")
    await refused(company.groups.RemoveGroupMembers(removal), "NOT_FOUND")


async def test_a_team_whose_folder_holds_documents_stays(found):
    """MS-06: documents are stored by team, so a team goes only when its folder is empty."""
    company = await found("mekari-sign")
    await company.make_group("sales", "member:ann")
    exported = await company.export()
    await company.apply(exported + "    resources:\n      document:d1: {parents: [group:sales], owner: ann}\n")
    refusal = await refused(
        company.groups.DeleteGroup(role_pb2.DeleteGroupRequest(name=company.group("sales"))), "DOCUMENTS_HELD"
    )
    assert refusal.info.metadata["documents"] == "1"


async def test_a_repeated_write_is_done_once(company):
    """A retry of a grant or a delegation by its request_id is answered as the first time."""
    first = await company.grant("template_user", "member:uma", "template:nda", request_id="g1")
    assert await company.grant("template_user", "member:uma", "template:nda", request_id="g1") == first
    delegated = await company.delegate("uma", actor="member:ann", request_id="d1")
    assert await company.delegate("uma", actor="member:ann", request_id="d1") == delegated


async def test_the_representative_admin_designates_who_processes_a_document(found) -> None:
    """EF-01, EF-10: processor and viewer are granted and revoked on a document; its author grants neither."""
    company = await found("eformsign")
    for member in ("uma", "pat", "vic"):
        await company.join(member)
    await company.register("template:nda", actor="member:ann")
    await company.register("document:d1", "template:nda", owner="uma")
    for role in ("processor", "viewer"):
        await refused(company.grant(role, "member:pat", "document:d1", actor="member:uma"), "NOT_PERMITTED")

    await company.grant("processor", "member:pat", "document:d1", actor="member:ann")
    await company.grant("viewer", "member:vic", "document:d1", actor="member:ann")
    assert await company.check("pat", "process", "document:d1") == (True, "allowed_by_rule")
    assert await company.check("vic", "view", "document:d1") == (True, "allowed_by_rule")
    await company.revoke("processor", "member:pat", "document:d1", actor="member:ann")
    assert await company.check("pat", "process", "document:d1") == (False, "no_matching_rule")
