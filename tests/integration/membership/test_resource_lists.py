"""Registered resources over gRPC: listed by type, by parent and by owner."""

from __future__ import annotations

import pytest

from sidegate.authz.v1 import resource_pb2 as pb
from support.servers.companies import Company, refused

FACTS = """\
tenants:
  TENANT:
    pack: standard
    members: {ann: {roles: [owner]}, adam: {roles: [admin]}, uma: {roles: [member]}}
    groups: {sales: {members: [uma]}}
    resources:
      template:nda: {owner: ann}
      template:offer: {owner: ann}
      document:d1: {parents: [template:nda], owner: uma, properties: {status: draft}}
      document:d2: {parents: [template:nda], owner: "group:sales"}
      document:d3: {parents: [template:offer], owner: uma}
      document:d4: {}
    grants:
      - {role: viewer, on: document:d2, to: member:uma}
"""
ALL = ["document:d1", "document:d2", "document:d3", "document:d4", "template:nda", "template:offer"]


pytestmark = pytest.mark.company("standard", FACTS)
"""A company with two templates and four documents."""


async def listed(company: Company, size: int = 50, **query: object) -> list[str]:
    """Return the references on all pages of a list, in their order."""
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListRegisteredResourcesRequest(parent=company.parent, page_size=size, page_token=token, **query)
        page = await company.resources.ListRegisteredResources(request)
        assert len(page.resources) <= size
        seen += [resource.name.rpartition("/")[2] for resource in page.resources]
        token = page.next_page_token
        if not token:
            return seen


@pytest.mark.parametrize("size", [1, 4, 1000])
async def test_pages_list_each_resource_once_and_in_order(company, size):
    """ST-01: the owner lists all there is, page by page, and each condition that is given holds."""
    assert await listed(company, size, actor="member:ann") == ALL
    assert await listed(company, size, type="document") == ALL[:4]
    assert await listed(company, size, inside="template:nda") == ["document:d1", "document:d2"]
    assert await listed(company, size, owner="member:uma") == ["document:d1", "document:d3"]
    assert await listed(company, size, owner="member:uma", inside="template:nda") == ["document:d1"]
    assert await listed(company, size, owner="member:ann", type="document") == []


async def test_a_list_returns_whole_resources(company):
    """Each is as GetResource returns it, with parents, properties, owner and etag."""
    request = pb.ListRegisteredResourcesRequest(parent=company.parent)
    for listed in (await company.resources.ListRegisteredResources(request)).resources:
        assert listed == (await company.resources.GetResource(pb.GetResourceRequest(name=listed.name))).resource


async def test_a_token_is_of_its_question(company):
    """A page's token opens for the same conditions and actor alone; wrong conditions name their field."""
    request = pb.ListRegisteredResourcesRequest(parent=company.parent, page_size=1)
    token = (await company.resources.ListRegisteredResources(request)).next_page_token
    for other in ({"type": "document"}, {"owner": "member:uma"}, {"actor": "member:ann"}, {"inside": "template:nda"}):
        again = pb.ListRegisteredResourcesRequest(parent=company.parent, page_token=token, **other)
        refusal = await refused(company.resources.ListRegisteredResources(again), "INVALID_INPUT")
        assert set(refusal.violations) == {"page_token"}
    wrong = {"type": "Docu ment", "inside": "nda", "owner": "uma:"}
    refusal = await refused(
        company.resources.ListRegisteredResources(pb.ListRegisteredResourcesRequest(parent=company.parent, **wrong)),
        "INVALID_INPUT",
    )
    assert set(refusal.violations) == {"type", "inside", "owner"}
    nowhere = pb.ListRegisteredResourcesRequest(parent="tenants/nowhere")
    await refused(company.resources.ListRegisteredResources(nowhere), "NOT_FOUND")


async def test_who_may_not_see_every_document_lists_none(company):
    """ST-04, ST-09: an admin, a member and a non-member are refused, whatever they ask for."""
    for actor in ("member:adam", "member:uma", "member:stranger"):
        await refused(listed(company, actor=actor, owner=actor), "NOT_PERMITTED")


@pytest.mark.parametrize(
    ("pack", "may"), [("eformsign", "representative_admin"), ("mekari-sign", "owner"), ("engagelab", "")]
)
async def test_each_pack_says_who_lists(found, pack, may):
    """EF-01, MS-10: who sees every document, or inspects every workspace, lists them; elsewhere the platform alone."""
    company = await found(pack)
    await company.join("uma")
    await refused(listed(company, actor="member:uma"), "NOT_PERMITTED")
    if may:
        assert await company.holders(may) == ["member:ann"]
        assert await listed(company, actor="member:ann") == []
    else:
        await refused(listed(company, actor="member:ann"), "NOT_PERMITTED")
    assert await listed(company) == []
