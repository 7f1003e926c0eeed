"""Invitations over gRPC, from the invitation to the acceptance, by the rules of the published products."""

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.authz.v1 import tenant_pb2
from support.decisions.watching import listed
from support.servers.companies import ACTIVE, PENDING, refused
from support.waiting import until

TABLE = """\
name,email,roles,phone
Uma,uma@acme.example,company_admin,
"Ugo, Jr.",,,+62 812-3456-789

Pia,PIA@acme.example,member;company_admin,
"""


async def test_an_invitation_carries_details_and_role(found):
    """MS-02: the pending member has the details and the role, and the feed has it for the notification e-mail."""
    company = await found("mekari-sign")
    uma = pb.Invitee(email="uma@acme.example", display_name="Uma", roles=["admin"])
    answer = await company.invite(invitees=[uma], actor="member:ann")

    member = await company.get("uma@acme.example")
    assert (member.display_name, list(member.roles), member.state) == ("Uma", ["admin"], PENDING)
    assert answer.results[0].member.invitation.token
    assert member.invitation.token == ""
    assert member.invitation.expire_time == answer.results[0].member.invitation.expire_time
    changes = await listed(company.channel, company.parent, member="uma@acme.example")
    found = {one.change.entity: dict(one.change.after) for one in changes}
    assert found.keys() == {"member", "invitation", "grant"}
    assert (found["member"]["email"], found["member"]["status"]) == ("uma@acme.example", "pending")
    assert found["invitation"]["expires_at"]
    assert {(one.actor, one.revision) for one in changes} == {("member:ann", answer.revision)}


async def test_the_new_to_an_organisation_wait_and_then_join(found):
    """EL-08, EL-14: pending until accepted, then active with the roles at once, whichever way the person joins."""
    company = await found("engagelab")
    answer = await company.invite("new@acme.example", "old@acme.example", roles=["Admin"], actor="member:ann")
    new, old = (result.member for result in answer.results)
    assert await company.check("new@acme.example", "invite", "member") == (False, "member_pending")

    registered = await company.accept(new.invitation.token, registration=pb.Registration(display_name="Nora"))
    signed_in = await company.accept(old.invitation.token, signed_in_account="Old@acme.example")

    assert (registered.display_name, registered.state, signed_in.state) == ("Nora", ACTIVE, ACTIVE)
    for member in ("new@acme.example", "old@acme.example"):
        assert await company.check(member, "invite", "member") == (True, "allowed_by_rule")


async def test_a_token_works_once_and_only_the_newest(found):
    """EL-14: a used, replaced, withdrawn or foreign token is refused, and the member stays as it was."""
    company, other = await found(), await found()
    first = (await company.invite("uma@acme.example")).results[0].member
    request = pb.ResendInvitationRequest(name=first.name, actor="member:ann")
    second = (await company.members.ResendInvitation(request)).member

    await refused(company.accept(first.invitation.token), "WRONG_STATE")
    assert (await company.get("uma@acme.example")).state == PENDING
    assert (await company.accept(second.invitation.token)).state == ACTIVE
    await refused(company.accept(second.invitation.token), "WRONG_STATE")

    third = (await company.invite("ugo@acme.example")).results[0].member
    await company.members.CancelInvitation(pb.CancelInvitationRequest(name=third.name))
    await refused(company.accept(third.invitation.token), "WRONG_STATE")
    await refused(company.get("ugo@acme.example"), "NOT_FOUND")
    await refused(other.accept(second.invitation.token), "INVALID_INPUT")
    await refused(company.accept(second.invitation.token[:-2] + "xx"), "INVALID_INPUT")


async def test_an_expired_token_is_refused(found):
    """EL-14: after its time to live an invitation must be made again."""
    company = await found()
    answer = await company.invite("uma@acme.example", ttl=Duration(nanos=1))
    await refused(company.accept(answer.results[0].member.invitation.token), "WRONG_STATE")
    assert (await company.get("uma@acme.example")).state == PENDING


async def test_the_account_that_signs_in_must_be_the_invited_one(found):
    """EL-14: by signing in, only the invited account joins."""
    company = await found()
    token = (await company.invite("uma@acme.example")).results[0].member.invitation.token
    refusal = await refused(company.accept(token, signed_in_account="eve@acme.example"), "NOT_PERMITTED")

    assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
    assert refusal.info.metadata["reason"] == "invitation_of_another"


@pytest.mark.parametrize(
    ("actor", "allowed"), [("member:ann", True), ("member:cam", True), ("member:mia", False), ("platform", True)]
)
async def test_who_invites(found, actor, allowed):
    """EF-11: the representative admin and company admins invite; others are refused with the reason."""
    company = await found("eformsign")
    await company.join("cam", roles=["company_admin"])
    await company.join("mia", roles=["member"])

    if allowed:
        await company.invite("uma@acme.example", actor=actor)
    else:
        refusal = await refused(company.invite("uma@acme.example", actor=actor), "NOT_PERMITTED")
        assert dict(refusal.info.metadata) == {"reason": "no_matching_rule"}
    assert ("uma@acme.example" in await company.list()) is allowed


async def test_by_email_mobile_number_or_account_id(found):
    """EF-11, EF-12: each part of a text separated by semicolons is taken for what it is."""
    company = await found("eformsign")
    answer = await company.invite(" uma@acme.example ;; 0062 812-3456-789;ugo;")

    members = [result.member for result in answer.results]
    assert [(m.name.rpartition("/")[2], m.email, m.phone) for m in members] == [
        ("uma@acme.example", "uma@acme.example", ""),
        ("+628123456789", "", "+628123456789"),
        ("ugo", "", ""),
    ]


async def test_a_table_is_invited(found):
    """EF-12: a CSV with its columns in any order invites each row with its own roles."""
    company = await found("eformsign")
    answer = await company.invite(csv="\ufeff" + TABLE, roles=["member"])

    shown = [(result.place, result.member.display_name, [*result.member.roles]) for result in answer.results]
    assert shown == [
        ("csv:2", "Uma", ["company_admin"]),
        ("csv:3", "Ugo, Jr.", ["member"]),
        ("csv:5", "Pia", ["company_admin", "member"]),
    ]


async def test_bad_rows_are_reported_by_row_and_nothing_is_written(found):
    """EF-12, EL-10: all or nothing: every bad row is named, and no good one is invited."""
    company = await found("eformsign")
    rows = "good@acme.example; bad@; uma@acme.example; ugo; UMA@acme.example"
    refusal = await refused(company.invite(rows, csv="email,roles\nx@acme.example,boss\n"), "INVALID_INPUT")

    assert set(refusal.violations) == {"addresses[1].email", "addresses[4]", "csv:2.roles"}
    assert await company.list() == ["ann"]


async def test_a_result_per_row(found):
    """EL-10: in part: the good rows are invited, and each bad one has its own error."""
    company = await found("engagelab")
    answer = await company.invite("good@acme.example; bad@; ann@acme.example", partial=True)

    assert [result.WhichOneof("outcome") for result in answer.results] == ["member", "error", "error"]
    assert await company.list() == ["ann", "good@acme.example"]
    errors = [MessageToDict(result)["error"]["details"][0]["reason"] for result in answer.results[1:]]
    assert errors == ["INVALID_INPUT", "ALREADY_EXISTS"]


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ("", None),
        ("mail\numa@acme.example\n", "csv:1"),
        ("email,email\n", "csv:1"),
        ("email\na@b.example,extra\n", "csv:2"),
        ('email\n"a@b.example\n', "csv:2"),
        ("email\n", "invitees"),
    ],
)
async def test_a_table_that_is_none_names_its_line(found, table, field):
    """EF-12: a wrong column, a row too long, an open quote: the line is named."""
    company = await found()
    refusal = await refused(company.invite(csv=table), "INVALID_INPUT")
    assert [*refusal.violations] == [field or "invitees"]


async def test_seats_are_active_and_invited_members(found):
    """EF-13: no invitation over the seats; an inactive member leaves its seat, and needs one to come back."""
    company = await found("eformsign", seats=3)
    await company.join("uma")
    await company.invite("ugo")

    assert (await refused(company.invite("pia"), "SEATS_TAKEN")).code is grpc.StatusCode.FAILED_PRECONDITION
    await company.members.DeactivateMember(pb.DeactivateMemberRequest(name=company.name("uma")))
    await company.invite("pia")
    activation = pb.ActivateMemberRequest(name=company.name("uma"))
    await refused(company.members.ActivateMember(activation), "SEATS_TAKEN")
    taken = await company.tenants.GetTenant(tenant_pb2.GetTenantRequest(name=company.parent))
    assert taken.tenant.seats_taken == 3


async def test_in_part_the_rows_that_find_a_seat_are_invited(found):
    """EF-13: within one request each invited row takes its seat before the next."""
    company = await found("eformsign", seats=3)
    answer = await company.invite("a;b;c", partial=True)
    assert [result.WhichOneof("outcome") for result in answer.results] == ["member", "member", "error"]
    await refused(company.invite("d;e"), "SEATS_TAKEN")


async def test_two_never_take_the_last_seat(found):
    """EF-13: of many that invite for the last seat at once exactly one does."""
    company = await found("eformsign", seats=2)
    tries = await asyncio.gather(*(company.invite(f"m{n}") for n in range(8)), return_exceptions=True)

    assert sum(not isinstance(outcome, BaseException) for outcome in tries) == 1
    assert len(await company.list()) == 2


async def test_roles_and_grants_on_the_invited_hold_from_the_acceptance(found):
    """EF-14: a pending member can be document manager already: denied while pending, allowed at once after."""
    company = await found("eformsign")
    answer = await company.invite("dan")
    document = await company.export()
    await company.apply(
        document
        + "    resources:\n      template:nda: {}\n      document:d1: {parents: [template:nda]}\n"
        + "    grants:\n      - {role: document_manager, on: template:nda, to: member:dan}\n"
    )
    assert await company.check("dan", "view", "document:d1") == (False, "member_pending")
    await company.accept(answer.results[0].member.invitation.token)
    assert await company.check("dan", "view", "document:d1") == (True, "allowed_by_rule")


async def test_unknown_roles_are_refused_with_the_nearest(found):
    """MS-01: a role outside the pack's is refused with a clear error, and so is a second one a member."""
    company = await found("mekari-sign")
    refusal = await refused(company.invite("uma", roles=["admn"]), "INVALID_INPUT")
    assert refusal.violations == {"addresses[0].roles": "unknown role `admn` on the tenant: did you mean `admin`?"}
    await refused(company.invite("uma", roles=["admin", "member"]), "INVALID_INPUT")
    assert "is delegated" in str((await refused(company.invite("uma", roles=["owner"]), "INVALID_INPUT")).violations)


async def test_nobody_gives_a_role_without_authority_over_it(found):
    """EF-03, EF-05: a company admin invites members, and makes nobody company or template admin."""
    company = await found("eformsign")
    await company.join("cam", roles=["company_admin"])

    for role in ("company_admin", "template_admin"):
        refusal = await refused(company.invite("uma", roles=[role], actor="member:cam"), "NOT_PERMITTED")
        assert refusal.info.metadata["reason"] == "no_authority"
        await company.invite(f"{role}@acme.example", roles=[role], actor="member:ann")
    await company.invite("uma", roles=["member"], actor="member:cam")


async def test_checking_an_invitation_invites_nobody(found):
    """validate_only reports the same errors, and returns no valid token."""
    company = await found()
    answer = await company.invite("uma@acme.example", validate_only=True)

    assert answer.results[0].member.invitation.token == ""
    assert answer.revision == ""
    assert await company.list() == ["ann"]
    await refused(company.invite("bad@", validate_only=True), "INVALID_INPUT")


async def test_a_repeated_invitation_is_sent_once_with_the_same_token(found):
    """A retry with its request_id gives the very same token, and another text under that ID is refused."""
    company = await found()
    first = await company.invite("uma@acme.example", request_id="r1")
    assert await company.invite("uma@acme.example", request_id="r1") == first

    await refused(company.invite("ugo@acme.example", request_id="r1"), "INVALID_INPUT")
    await company.accept(first.results[0].member.invitation.token)


async def test_many_are_invited_in_one_call(found):
    """EL-10: two thousand rows are one revision."""
    company = await found("engagelab")
    rows = [pb.Invitee(email=f"m{n:04}@acme.example", roles=["Admin"]) for n in range(2000)]
    await company.invite(invitees=rows)
    assert len(await company.list(page_size=1000, role="Admin")) == 2001


async def test_a_facts_document_takes_invitations_along(found):
    """A member that a facts document takes away can't come back by its old token."""
    company = await found()
    document = await company.export()
    token = (await company.invite("uma@acme.example")).results[0].member.invitation.token
    await company.apply(document)
    await refused(company.accept(token), "WRONG_STATE")

    async def deleted() -> bool:
        return await company.check("uma@acme.example", "open", "workspace:uma@acme.example") == (False, "not_a_member")

    await until(deleted)
