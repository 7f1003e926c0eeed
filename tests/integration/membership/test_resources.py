"""Templates and documents over gRPC: registered, cloned, deleted and handed over."""

import pytest

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.authz.v1 import role_pb2
from support.servers.companies import Company, refused

FORMS = """\
tenants:
  TENANT:
    pack: eformsign
    members:
      ann: {roles: [representative_admin], email: ann@acme.example}
      tina: {roles: [template_admin]}
      theo: {roles: [template_admin]}
      uma: {roles: [member]}
      ugo: {roles: [member]}
"""


async def prepare(company: Company) -> None:
    """Make an eformsign company in which tina registered a template that uma makes documents from."""
    await company.apply(FORMS)
    await company.register("template:nda", actor="member:tina")
    await company.grant("template_user", "member:uma", "template:nda", actor="member:tina")


pytestmark = pytest.mark.company("eformsign", prepare=prepare)


async def held(company, **by):
    answer = await company.roles.ListGrants(role_pb2.ListGrantsRequest(parent=company.parent, **by))
    return {(grant.role, grant.scope) for grant in answer.grants}


async def test_who_registers_a_template_is_its_owner(company):
    """EF-05, EF-06: a template admin registers and owns it, effective immediately; a member can't, nor for another."""
    shown = await company.resources.GetResource(pb.GetResourceRequest(name=company.resource("template:nda")))
    assert shown.resource.owner == "member:tina"
    assert await company.check("tina", "update", "template:nda") == (True, "allowed_by_rule")
    assert await company.check("theo", "update", "template:nda") == (False, "no_matching_rule")

    await refused(company.register("template:x", actor="member:uma"), "NOT_PERMITTED")
    await refused(company.register("template:x", actor="member:theo", owner="tina"), "NOT_PERMITTED")
    await company.register("template:x", owner="theo")
    await refused(company.register("template:x"), "ALREADY_EXISTS")


async def test_a_clone_belongs_to_who_cloned_it(company):
    """EF-07: a template admin who isn't the owner clones the template, and owns the clone alone."""
    request = pb.CloneResourceRequest(name=company.resource("template:nda"), clone_id="nda2", actor="member:theo")
    clone = (await company.resources.CloneResource(request)).resource
    assert (clone.name, clone.owner) == (company.resource("template:nda2"), "member:theo")
    assert await company.check("theo", "delete", "template:nda2") == (True, "allowed_by_rule")
    assert await company.check("theo", "delete", "template:nda") == (False, "no_matching_rule")

    await refused(company.resources.CloneResource(request), "ALREADY_EXISTS")
    request.actor = "member:uma"
    await refused(company.resources.CloneResource(request), "NOT_PERMITTED")
    request.name, request.actor = company.resource("template:none"), ""
    await refused(company.resources.CloneResource(request), "NOT_FOUND")


async def test_template_users_make_documents_from_it(company):
    """EF-08: a document is registered by who may create from its template, and is its author's."""
    made = await company.register("document:d1", "template:nda", actor="member:uma")
    assert (made.owner, list(made.parents)) == ("member:uma", ["template:nda"])
    assert await company.check("uma", "view", "document:d1") == (True, "allowed_by_rule")

    await refused(company.register("document:d2", "template:nda", actor="member:ugo"), "NOT_PERMITTED")
    await refused(company.register("document:d2", actor="member:uma"), "INVALID_INPUT")
    await refused(company.register("document:d2", "template:none"), "INVALID_INPUT")
    await refused(company.register("paper:p1"), "INVALID_INPUT")


async def test_a_deleted_resource_leaves_nothing(company):
    """EF-06: its owner deletes a template without documents; a new one of its ID is held by nobody from before."""
    await company.register("document:d1", "template:nda", actor="member:uma")
    name = company.resource("template:nda")
    refusal = await refused(company.resources.DeleteResource(pb.DeleteResourceRequest(name=name)), "DOCUMENTS_HELD")
    assert refusal.info.metadata["documents"] == "1"
    await company.resources.DeleteResource(pb.DeleteResourceRequest(name=company.resource("document:d1")))

    theirs = pb.DeleteResourceRequest(name=name, actor="member:theo")
    await refused(company.resources.DeleteResource(theirs), "NOT_PERMITTED")
    theirs.actor = "member:tina"
    await company.resources.DeleteResource(theirs)
    await refused(company.resources.DeleteResource(pb.DeleteResourceRequest(name=name)), "NOT_FOUND")
    await company.register("template:nda", owner="theo")
    assert await held(company, scope="template:nda") == {("owner", "template:nda")}


@pytest.fixture
async def busy(company):
    """The company in which ugo owns, processes and views documents."""
    for n in range(3):
        await company.register(f"document:d{n}", "template:nda", owner="ugo")
    await company.register("document:d3", "template:nda", owner="uma")
    await company.grant("processor", "member:ugo", "document:d3")
    await company.grant("viewer", "member:ugo", "document:d3")
    await company.grant("viewer", "member:uma", "document:d3")
    return company


async def test_all_three_relations_move_at_once(busy):
    """EF-10: authored, processed and viewed documents become the recipient's, and the former is denied."""
    assert await busy.hand_over("ugo", "theo", actor="member:ann") == 4

    assert await held(busy, holder="member:ugo") == {("member", "tenant")}
    assert await busy.check("theo", "process", "document:d3") == (True, "allowed_by_rule")
    for document in ("document:d0", "document:d3"):
        assert await busy.check("theo", "view", document) == (True, "allowed_by_rule")
        assert await busy.check("ugo", "view", document) == (False, "no_matching_rule")


async def test_what_the_recipient_holds_already_is_held_once(busy):
    """EF-10: where the recipient has the relation already, the former only loses it."""
    await busy.hand_over("ugo", "uma")
    assert await held(busy, holder="member:uma") >= {("viewer", "document:d3"), ("processor", "document:d3")}
    assert await busy.check("ugo", "view", "document:d3") == (False, "no_matching_rule")


async def test_some_documents_or_one_relation_move_alone(busy):
    """EF-10, MS-12: chosen documents, or one of the relations, leave the others where they are."""
    assert await busy.hand_over("ugo", "theo", resources=["document:d0"]) == 1
    assert await busy.hand_over("ugo", "theo", roles=["viewer"]) == 1
    assert await held(busy, holder="member:ugo") == {
        ("member", "tenant"),
        ("owner", "document:d1"),
        ("owner", "document:d2"),
        ("processor", "document:d3"),
    }


async def test_a_template_is_handed_over_by_its_name(company):
    """EF-06, EF-10: documents move without their template, which goes where it is named."""
    assert await company.hand_over("tina", "theo") == 0
    assert await company.hand_over("tina", "theo", resources=["template:nda"]) == 1
    assert await company.check("theo", "update", "template:nda") == (True, "allowed_by_rule")
    assert await company.check("tina", "update", "template:nda") == (False, "no_matching_rule")


async def test_who_may_not_hands_nothing_over(busy):
    """EF-10: members can't, and a wrong name, member or choice moves nothing."""
    before = await held(busy, holder="member:ugo")
    await refused(busy.hand_over("ugo", "uma", actor="member:uma"), "NOT_PERMITTED")
    await refused(busy.hand_over("ugo", "nobody"), "NOT_FOUND")
    await refused(busy.hand_over("ugo", "ugo"), "INVALID_INPUT")
    await refused(busy.hand_over("ugo", "uma", resources=["document:d0", "document:none"]), "INVALID_INPUT")
    assert await held(busy, holder="member:ugo") == before


async def test_thousands_of_documents_move_in_one_revision(company):
    """EF-10: two thousand documents are handed over in one call."""
    documents = "".join(f"      document:d{n}: {{parents: [template:nda], owner: ugo}}\n" for n in range(2000))
    text = FORMS + "    resources:\n      template:nda: {owner: tina}\n" + documents
    await company.apply(text)
    assert await company.hand_over("ugo", "uma", actor="member:ann") == 2000
    assert await held(company, holder="member:ugo") == {("member", "tenant")}


async def test_a_workspaces_documents_move_with_their_owner(found):
    """MS-09, MS-12: what lay in the former's workspace lies in the heir's, and is used by the heir alone."""
    company = await found("mekari-sign")
    await company.join("mia", roles=["member"])
    await company.join("leo", roles=["member"])
    await company.register("document:w1", "workspace:mia", actor="member:mia")
    await refused(company.register("document:w2", "workspace:mia", actor="member:leo"), "NOT_PERMITTED")

    assert await company.hand_over("mia", "leo", actor="member:ann") == 1
    assert await company.check("leo", "edit", "document:w1") == (True, "allowed_by_rule")
    assert await company.check("mia", "edit", "document:w1") == (False, "no_matching_rule")
