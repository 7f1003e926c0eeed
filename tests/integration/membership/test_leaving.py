"""Members over gRPC who leave, and whose documents are deleted with them by an explicit choice."""

from __future__ import annotations

import pytest

from sidegate.authz.v1 import facts_pb2, history_pb2
from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from support.servers.companies import INACTIVE, Company, refused

FACTS = """\
tenants:
  TENANT:
    pack: PACK
    members:
      ann: {roles: [CHIEF]}
      uma: {roles: [member]}
      ugo: {roles: [member]}
    groups: {sales: {members: [ugo]}}
    resources:
      template:nda: {owner: ann}
      template:own: {owner: uma}
      document:d1: {parents: [template:nda], owner: uma}
      document:d2: {parents: [template:own], owner: uma}
      document:d3: {parents: [template:nda], owner: ugo}
    grants:
      - {role: viewer, on: document:d1, to: "group:sales"}
      - {role: viewer, on: document:d3, to: "member:uma"}
"""
DELETE = pb.HELD_DOCUMENTS_DELETE
CHIEFS = {"standard": "owner", "eformsign": "representative_admin"}


@pytest.fixture(params=["standard", "eformsign"])
async def company(found, request) -> Company:
    """A company in which uma owns a template and two documents, one of them in it."""
    made = await found(request.param)
    await made.apply(FACTS.replace("PACK", request.param).replace("CHIEF", CHIEFS[request.param]))
    return made


def deactivation(company: Company, **request: object) -> pb.DeactivateMemberRequest:
    return pb.DeactivateMemberRequest(name=company.name("uma"), **request)


async def written(company: Company, revision: str) -> list[facts_pb2.FactChange]:
    """Return the changes of one revision."""
    answer = await HistoryServiceStub(company.channel).ListChanges(
        history_pb2.ListChangesRequest(parent=company.parent, page_size=100)
    )
    return [one.change for one in answer.changes if one.revision == revision]


async def test_documents_go_with_who_leaves_only_by_choice(company):
    """MS-12, EF-01: unsaid nothing goes; by choice all the leaver owned goes in one revision, nothing of others."""
    refusal = await refused(company.members.DeactivateMember(deactivation(company)), "DOCUMENTS_HELD")
    assert refusal.info.metadata["documents"] == "3"

    left = await company.members.DeactivateMember(deactivation(company, held_documents=DELETE, actor="member:ann"))
    assert (left.member.state, left.documents) == (INACTIVE, 3)
    for action in ("view", "delete"):
        assert await company.check("ugo", action, "document:d1") == (False, "no_matching_rule")
    assert await company.check("ugo", "view", "document:d3") == (True, "allowed_by_rule")
    document = await company.export()
    assert [name for name in ("template:own", "document:d1", "document:d2") if name in document] == []
    assert "document:d3: {parents: [template:nda], owner: ugo}" in document

    changes = await written(company, left.revision)
    deleted = {tuple(change.key) for change in changes if change.entity == "resource" and not change.HasField("after")}
    assert deleted == {("template:own",), ("document:d1",), ("document:d2",)}
    assert ["viewer", "document:d1", "group:sales"] in [list(change.key) for change in changes]


async def test_a_confirmation_is_only_for_the_documents_that_were_shown(company):
    """MS-12, EL-09: a token deletes the documents that its call counted, and no others; nor without its choice."""
    name = company.name("uma")

    async def delete(token: str = "", **request: object) -> pb.DeleteMemberResponse:
        return await company.members.DeleteMember(
            pb.DeleteMemberRequest(name=name, confirmation_token=token, **request)
        )

    first = await delete(held_documents=DELETE)
    assert (first.deleted, first.documents) == (False, 3)
    await refused(delete(first.confirmation_token), "STALE_ETAG")
    await refused(delete((await delete()).confirmation_token, held_documents=DELETE), "STALE_ETAG")
    await company.register("document:d4", "template:nda", owner="uma")
    await refused(delete(first.confirmation_token, held_documents=DELETE), "STALE_ETAG")

    again = await delete(held_documents=DELETE)
    done = await delete(again.confirmation_token, held_documents=DELETE)
    assert (done.deleted, done.documents) == (True, 4)
    assert await company.list() == ["ann", "ugo"]
    assert "uma" not in await company.export()


async def test_a_resource_with_others_inside_is_not_deleted(company):
    """A template that holds a document of another stays, and with it all else; nothing is half done."""
    await company.register("document:d5", "template:own", owner="ugo")
    before = await company.export()
    refusal = await refused(
        company.members.DeactivateMember(deactivation(company, held_documents=DELETE)), "DOCUMENTS_HELD"
    )
    assert refusal.info.metadata["documents"] == "1"
    assert "`template:own`" in refusal.message
    await refused(company.delete("uma", held_documents=DELETE), "DOCUMENTS_HELD")
    assert await company.export() == before


async def test_who_may_not_delete_documents_deletes_none_by_way_of_a_leaver(found):
    """MS-12, EF-03, ST-03: who lets members go, but deletes no documents by that role, can't choose it."""
    standard = await found("standard")
    await standard.apply(FACTS.replace("PACK", "standard").replace("CHIEF", "owner"))
    await standard.join("adam", roles=["admin"])
    forms = await found("eformsign")
    await forms.apply(FACTS.replace("PACK", "eformsign").replace("CHIEF", "representative_admin"))
    await forms.join("adam")
    await forms.grant("company_admin", "member:adam")
    for company in (standard, forms):
        before = await company.export()
        chosen = deactivation(company, held_documents=DELETE, actor="member:adam")
        await refused(company.members.DeactivateMember(chosen), "NOT_PERMITTED")
        deletion = pb.DeleteMemberRequest(name=company.name("uma"), held_documents=DELETE, actor="member:adam")
        await refused(company.members.DeleteMember(deletion), "NOT_PERMITTED")
        assert await company.export() == before

    signers = await found("mekari-sign")
    await signers.join("mia", roles=["member"])
    await signers.register("document:w1", "workspace:mia", actor="member:mia")
    leaving = pb.DeactivateMemberRequest(name=signers.name("mia"), held_documents=DELETE, actor="member:ann")
    refusal = await refused(signers.members.DeactivateMember(leaving), "NOT_PERMITTED")
    assert refusal.info.metadata["reason"] == "no_operation"
    leaving.actor = ""
    assert (await signers.members.DeactivateMember(leaving)).documents == 1


async def test_thousands_of_documents_go_in_one_revision(found):
    """MS-12: two thousand documents go with their owner in one call."""
    company = await found("standard")
    documents = "".join(f"      document:x{n}: {{parents: [template:nda], owner: uma}}\n" for n in range(2000))
    text = FACTS.replace("PACK", "standard").replace("CHIEF", "owner")
    await company.apply(text.replace("    resources:\n", f"    resources:\n{documents}"))
    left = await company.members.DeactivateMember(deactivation(company, held_documents=DELETE))
    assert left.documents == 2003
    assert "document:x" not in await company.export()
