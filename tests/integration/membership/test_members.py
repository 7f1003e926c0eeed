"""Members over gRPC: listed, altered, deactivated, activated and deleted."""

from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.authz.v1 import membership_pb2 as pb
from support.servers.companies import ACTIVE, INACTIVE, PENDING, refused

WITH_DOCUMENTS = """\
tenants:
  TENANT:
    pack: mekari-sign
    members:
      ann: {email: ann@acme.example, roles: [owner]}
      bob: {roles: [admin]}
      mia: {roles: [member], quota: 5}
      leo: {roles: [member], quota: 5}
    groups:
      sales: {members: [mia]}
    resources:
      document:own: {owner: leo, parents: [group:sales]}
      document:desk: {parents: [workspace:leo]}
      document:other: {owner: mia}
"""


@pytest.fixture
async def signers(found):
    """A mekari-sign company in which leo holds two documents."""
    company = await found("mekari-sign")
    await company.apply(WITH_DOCUMENTS)
    return company


def deactivation(company, member, **fields):
    return pb.DeactivateMemberRequest(name=company.name(member), **fields)


async def test_the_list_shows_what_administrators_need(found):
    """EL-11: name, account ID, status, 2FA, last access and creation time, for each member."""
    company = await found("engagelab")
    await company.join("uma@acme.example")
    seen = Timestamp()
    seen.FromDatetime(datetime(2024, 5, 6, tzinfo=UTC))
    await company.members.RecordAccess(pb.RecordAccessRequest(name=company.name("uma@acme.example"), access_time=seen))
    update = pb.Member(name=company.name("uma@acme.example"), display_name="Uma", mfa=True)
    await company.members.UpdateMember(
        pb.UpdateMemberRequest(member=update, update_mask=FieldMask(paths=["display_name", "mfa"]))
    )

    listed = await company.members.ListMembers(pb.ListMembersRequest(parent=company.parent))
    uma = listed.members[1]
    assert (uma.display_name, uma.email, uma.state, uma.mfa) == ("Uma", "uma@acme.example", ACTIVE, True)
    assert uma.last_access_time == seen
    assert uma.create_time.seconds > 0


async def test_the_list_is_filtered_and_paged(found):
    """EL-11: by status, role, group and text; pages add up to the whole, in order and without a gap."""
    company = await found("engagelab")
    for n in range(7):
        await company.join(f"m{n}@acme.example", roles=["Admin"] if n % 2 else [])
    await company.invite("new@other.example")
    await company.members.DeactivateMember(deactivation(company, "m3@acme.example"))

    everyone = await company.list()
    assert len(everyone) == 9
    for size in (1, 2, 3, 9, 1000):
        assert await company.list(page_size=size) == everyone
    assert await company.list(state=PENDING) == ["new@other.example"]
    assert await company.list(state=INACTIVE, page_size=1) == ["m3@acme.example"]
    assert await company.list(role="Admin") == ["ann", "m1@acme.example", "m3@acme.example", "m5@acme.example"]
    assert await company.list(text="OTHER") == ["new@other.example"]
    assert await company.list(text="100%") == []
    assert await company.list(role="Admin", text="m5") == ["m5@acme.example"]


async def test_a_group_filters_the_list(signers):
    """MS-06: the members of a team can be listed."""
    assert await signers.list(group="sales") == ["mia"]


async def test_a_pages_token_belongs_to_its_question(found):
    """An unknown token, or one of another question, is refused."""
    company = await found()
    await company.invite("a;b;c")
    request = pb.ListMembersRequest(parent=company.parent, page_size=2)
    token = (await company.members.ListMembers(request)).next_page_token

    for query in ({"text": "a"}, {"page_token": "x"}, {"page_token": token.swapcase()}):
        asked = pb.ListMembersRequest(parent=company.parent, **{"page_token": token, **query})
        refusal = await refused(company.members.ListMembers(asked), "INVALID_INPUT")
        assert set(refusal.violations) == {"page_token"}


async def test_an_update_sets_what_its_mask_names(found):
    """EL-09: only the masked fields change, a stale etag is ABORTED, and addresses stay unique."""
    company = await found("engagelab")
    await company.join("uma@acme.example", roles=["Admin"])
    before = await company.get("uma@acme.example")

    async def update(*paths: str, actor: str = "member:ann", **fields: object) -> pb.Member:
        member = pb.Member(name=company.name("uma@acme.example"), **fields)
        request = pb.UpdateMemberRequest(member=member, update_mask=FieldMask(paths=paths), actor=actor)
        return (await company.members.UpdateMember(request)).member

    after = await update("phone", phone="+628123456789", display_name="ignored", etag=before.etag)
    assert (after.phone, after.display_name, after.email) == ("+628123456789", "", "uma@acme.example")
    assert list(after.roles) == ["Admin"]

    stale = await refused(update("display_name", display_name="Uma", etag=before.etag), "STALE_ETAG")
    assert stale.code is grpc.StatusCode.ABORTED
    await refused(update("email", email="ANN@acme.example"), "ALREADY_EXISTS")
    await refused(update("email", email="nobody"), "INVALID_INPUT")
    await refused(update("state"), "INVALID_INPUT")
    await refused(update(), "INVALID_INPUT")


async def test_only_the_platform_sets_the_second_factor(found):
    """EL-12: the 2FA state is the platform's to say; with it set, what the tenant's setting denied is allowed."""
    company = await found("engagelab", require_mfa=True)
    member = pb.Member(name=company.name("ann"), mfa=True)
    request = pb.UpdateMemberRequest(member=member, update_mask=FieldMask(paths=["mfa"]))
    assert await company.check("ann", "invite", "member") == (False, "mfa_required")

    request.actor = "member:ann"
    await refused(company.members.UpdateMember(request), "NOT_PERMITTED")
    request.actor = ""
    await company.members.UpdateMember(request)

    assert await company.check("ann", "invite", "member") == (True, "allowed_by_rule")


async def test_a_denied_write_names_the_rule(found):
    """EL-12: a write that a rule denies carries that rule and its reason, and changes nothing."""
    company = await found("engagelab", require_mfa=True)
    refusal = await refused(company.invite("uma", actor="member:ann"), "NOT_PERMITTED")

    assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
    assert dict(refusal.info.metadata) == {"reason": "mfa_required", "rule": "EL-12"}
    assert await company.list() == ["ann"]


async def test_a_deactivated_member_is_denied_and_keeps_its_roles(found):
    """EL-06, EL-07: inactive denies everything; after the activation the same roles decide again."""
    company = await found("engagelab")
    await company.join("uma", roles=["Admin"])
    request = deactivation(company, "uma", actor="member:ann")
    answer = await company.members.DeactivateMember(request)
    assert await company.check("uma", "invite", "member", revision=answer.revision) == (False, "member_inactive")
    await refused(company.members.DeactivateMember(request), "WRONG_STATE")

    await company.members.ActivateMember(pb.ActivateMemberRequest(name=company.name("uma"), actor="member:ann"))
    assert await company.check("uma", "invite", "member") == (True, "allowed_by_rule")
    again = pb.ActivateMemberRequest(name=company.name("uma"))
    await refused(company.members.ActivateMember(again), "WRONG_STATE")


async def test_who_still_holds_documents_is_not_deactivated_without_a_choice(signers):
    """MS-12: the refusal says how many documents there are; with a choice the member goes inactive."""
    refusal = await refused(signers.members.DeactivateMember(deactivation(signers, "leo")), "DOCUMENTS_HELD")
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.info.metadata["documents"] == "2"
    assert (await signers.get("leo")).state == ACTIVE

    kept = deactivation(signers, "leo", held_documents=pb.HELD_DOCUMENTS_KEEP, actor="member:bob")
    answer = await signers.members.DeactivateMember(kept)
    assert (answer.documents, answer.member.state) == (2, INACTIVE)
    assert await signers.check("leo", "view", "document:desk") == (False, "member_inactive")


async def test_documents_move_to_another_account_before_one_leaves(signers):
    """MS-12, MS-09: in one transaction the heir owns what the leaver owned, and has what lay in its workspace."""
    transfer = {"held_documents": pb.HELD_DOCUMENTS_TRANSFER, "transfer_to": "mia"}
    answer = await signers.members.DeactivateMember(deactivation(signers, "leo", actor="member:bob", **transfer))

    assert answer.documents == 2
    exported = await signers.export()
    assert "document:own: {parents: [group:sales], owner: mia}" in exported.replace('"', "")
    assert await signers.check("mia", "edit", "document:desk") == (True, "allowed_by_rule")


async def test_only_who_may_transfer_documents_does(signers):
    """MS-12: a member can't move the documents of others by way of a deactivation, and an heir must be another."""
    transfer = {"held_documents": pb.HELD_DOCUMENTS_TRANSFER}
    call = signers.members.DeactivateMember
    await refused(
        call(deactivation(signers, "leo", actor="member:mia", transfer_to="mia", **transfer)), "NOT_PERMITTED"
    )
    for heir in ("leo", "nobody", ""):
        await refused(call(deactivation(signers, "leo", transfer_to=heir, **transfer)), "INVALID_INPUT")
    assert (await signers.get("leo")).state == ACTIVE


async def test_the_one_holder_of_a_role_does_not_go(signers):
    """MS-01, EF-01: the company always has its owner: neither deactivated nor deleted."""
    await refused(signers.members.DeactivateMember(deactivation(signers, "ann")), "LAST_HOLDER")
    await refused(signers.delete("ann"), "LAST_HOLDER")


async def test_a_deletion_takes_two_calls(found):
    """EL-09: the first call deletes nothing and returns a token; another's or a stale one deletes nothing."""
    company = await found("engagelab")
    await company.join("uma", roles=["Admin"])
    await company.join("ugo")
    call = company.members.DeleteMember
    first = await call(pb.DeleteMemberRequest(name=company.name("uma"), actor="member:ann"))

    assert (first.deleted, list(first.member.roles)) == (False, ["Admin"])
    assert (await company.get("uma")).state == ACTIVE
    other = pb.DeleteMemberRequest(name=company.name("ugo"), confirmation_token=first.confirmation_token)
    await refused(call(other), "INVALID_INPUT")

    confirmed = pb.DeleteMemberRequest(name=company.name("uma"), confirmation_token=first.confirmation_token)
    update = pb.Member(name=company.name("uma"), display_name="Uma")
    await company.members.UpdateMember(
        pb.UpdateMemberRequest(member=update, update_mask=FieldMask(paths=["display_name"]))
    )
    await refused(call(confirmed), "STALE_ETAG")
    assert (await company.delete("uma", actor="member:ann")).deleted
    assert await company.check("uma", "invite", "member") == (False, "not_a_member")
    await refused(company.get("uma"), "NOT_FOUND")


async def test_one_who_comes_again_has_nothing_left_over(found):
    """EL-09: a deleted member is invited again, and holds no role from before."""
    company = await found("engagelab")
    await company.join("uma", roles=["Admin"])
    await company.delete("uma")
    member = await company.join("uma")

    assert list(member.roles) == []
    assert await company.check("uma", "invite", "member") == (False, "no_matching_rule")


async def test_whose_documents_nobody_takes_is_not_deleted(signers):
    """MS-12: documents of a deleted member must have somebody to go to."""
    await refused(signers.delete("leo"), "DOCUMENTS_HELD")
    answer = await signers.delete("leo", held_documents=pb.HELD_DOCUMENTS_TRANSFER, transfer_to="mia")
    assert (answer.deleted, answer.documents) == (True, 2)


@pytest.mark.parametrize("actor", ["member:mia", "member:nobody", "member:new"])
async def test_a_member_manages_nobody(signers, actor):
    """MS-05: neither a member, nor somebody unknown or pending, gets any member command through."""
    await signers.invite("new", roles=["admin"])
    name = signers.name("leo")
    update = pb.UpdateMemberRequest(
        member=pb.Member(name=name, display_name="x"), update_mask=FieldMask(paths=["display_name"]), actor=actor
    )
    before = await signers.export()
    for call in (
        signers.invite("eve", actor=actor),
        signers.members.UpdateMember(update),
        signers.members.DeactivateMember(pb.DeactivateMemberRequest(name=name, actor=actor)),
        signers.members.ActivateMember(pb.ActivateMemberRequest(name=name, actor=actor)),
        signers.members.DeleteMember(pb.DeleteMemberRequest(name=name, actor=actor)),
        signers.members.CancelInvitation(pb.CancelInvitationRequest(name=signers.name("new"), actor=actor)),
        signers.members.ResendInvitation(pb.ResendInvitationRequest(name=signers.name("new"), actor=actor)),
    ):
        assert (await refused(call, "NOT_PERMITTED")).code is grpc.StatusCode.PERMISSION_DENIED
    assert await signers.export() == before


async def test_an_older_access_changes_nothing(found):
    """EL-11: the last access is the latest one reported, in whatever order; an unknown member is refused."""
    company = await found()
    for year in (2022, 2024, 2023):
        timestamp = Timestamp()
        timestamp.FromDatetime(datetime(year, 1, 1, tzinfo=UTC))
        await company.members.RecordAccess(pb.RecordAccessRequest(name=company.name("ann"), access_time=timestamp))
    assert (await company.get("ann")).last_access_time.ToDatetime().year == 2024
    await refused(company.members.RecordAccess(pb.RecordAccessRequest(name=company.name("eve"))), "NOT_FOUND")


@pytest.mark.parametrize("wrong", [{"seconds": 2**62}, {"seconds": -(2**40)}, {"nanos": -1}])
async def test_an_access_at_no_time_is_refused(found, wrong):
    """EL-11: a timestamp that no calendar has is the caller's error, and names its field."""
    company = await found()
    request = pb.RecordAccessRequest(name=company.name("ann"), access_time=Timestamp(**wrong))
    refusal = await refused(company.members.RecordAccess(request), "INVALID_INPUT")
    assert refusal.violations == {"access_time": "is no time: expected one of the years 1 to 9999"}


async def test_a_name_may_hold_a_slash(found):
    """An ID with a slash or a percent sign is one in names too, percent-encoded."""
    company = await found()
    answer = await company.invite(invitees=[pb.Invitee(account="a/b%2F")])
    name = answer.results[0].member.name
    assert name.endswith("/members/a%2Fb%252F")
    assert (await company.members.GetMember(pb.GetMemberRequest(name=name))).member.name == name
