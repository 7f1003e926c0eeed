"""Templates and documents over gRPC: their properties set, and placed elsewhere."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from sidegate.authz.v1 import resource_pb2 as pb
from support.servers.companies import Company, refused

STANDARD = """\
tenants:
  TENANT:
    pack: standard
    members:
      ann: {roles: [owner]}
      adam: {roles: [admin]}
      uma: {roles: [member]}
      eddy: {roles: [member]}
      dan: {roles: [member]}
    resources:
      template:nda: {owner: ann}
      template:offer: {owner: ann}
      document:d1: {parents: [template:nda], owner: uma, properties: {status: draft}}
    grants:
      - {role: editor, on: document:d1, to: member:eddy}
      - {role: document_manager, on: template:offer, to: member:dan}
      - {role: template_user, on: template:nda, to: member:uma}
      - {role: template_user, on: template:offer, to: member:adam}
"""
ALLOWED, DENIED = (True, "allowed_by_rule"), (False, "no_matching_rule")


pytestmark = pytest.mark.company("standard", STANDARD)
"""A company on the standard pack in which uma owns a document of one of two templates."""


async def update(company: Company, *paths: str, etag: str = "", **request: object) -> pb.RegisteredResource:
    """Update document:d1 by a mask; `parents` and `properties` are the new values."""
    resource = pb.RegisteredResource(
        name=company.resource(request.pop("reference", "document:d1")),
        parents=request.pop("parents", ()),
        etag=etag,
    )
    resource.properties.update(request.pop("properties", {}))
    mask = FieldMask(paths=paths)
    answer = await company.resources.UpdateResource(
        pb.UpdateResourceRequest(resource=resource, update_mask=mask, **request)
    )
    return answer.resource


async def shown(company: Company, reference: str = "document:d1") -> pb.RegisteredResource:
    name = company.resource(reference)
    return (await company.resources.GetResource(pb.GetResourceRequest(name=name))).resource


async def test_properties_are_set_one_by_one_and_as_a_whole(company):
    """ST-14, ST-15: who may edit a document sets its properties; a named one that is not given is taken away."""
    signed = await update(
        company, "properties.status", properties={"status": "signed", "other": 1}, actor="member:eddy"
    )
    assert (dict(signed.properties), signed.owner, list(signed.parents)) == (
        {"status": "signed"},
        "member:uma",
        ["template:nda"],
    )
    assert dict((await update(company, "properties.status", actor="member:uma")).properties) == {}
    assert dict((await update(company, "properties", properties={"status": "x"})).properties) == {"status": "x"}
    assert await shown(company) == await update(company, "properties", properties={"status": "x"})

    before = await shown(company)
    await refused(update(company, "properties", actor="member:dan"), "NOT_PERMITTED")
    await refused(update(company, "properties.status", properties={"status": 7}), "INVALID_INPUT")
    refusal = await refused(update(company, "properties.colour", properties={"colour": "red"}), "INVALID_INPUT")
    assert set(refusal.violations) == {"resource.properties.colour"}
    for paths in ((), ("owner",), ("etag",), ("properties.status", "name")):
        assert set((await refused(update(company, *paths), "INVALID_INPUT")).violations) == {"update_mask"}
    assert await shown(company) == before


async def test_a_moved_document_is_under_its_new_template_at_once(company):
    """ST-13: the managers of the template that it comes into see it from the answer on, and no more once it left."""
    assert await company.check("dan", "view", "document:d1") == DENIED
    moved = await update(company, "parents", parents=["template:offer"])
    assert (list(moved.parents), dict(moved.properties)) == (["template:offer"], {"status": "draft"})
    assert await company.check("dan", "view", "document:d1") == ALLOWED
    await update(company, "parents")
    assert await company.check("dan", "view", "document:d1") == DENIED
    assert await company.check("uma", "edit", "document:d1") == ALLOWED


async def test_who_moves_may_share_the_document_and_make_some_there(company):
    """ST-13, ST-14: an editor moves nothing; its owner moves it only where it may create documents."""
    await refused(update(company, "parents", parents=["template:offer"], actor="member:eddy"), "NOT_PERMITTED")
    refusal = await refused(update(company, "parents", parents=["template:offer"], actor="member:uma"), "NOT_PERMITTED")
    assert refusal.info.metadata["reason"] == "no_matching_rule"
    await refused(update(company, "parents", parents=["template:offer"], actor="member:adam"), "NOT_PERMITTED")
    await refused(update(company, "parents", "properties", actor="member:eddy"), "NOT_PERMITTED")
    assert list((await shown(company)).parents) == ["template:nda"]

    await company.grant("template_user", "member:uma", "template:offer")
    moved = await update(company, "parents", parents=["template:offer"], actor="member:uma")
    assert list(moved.parents) == ["template:offer"]
    assert list((await update(company, "parents", parents=["template:nda"], actor="member:uma")).parents) == [
        "template:nda"
    ]


async def test_wrong_parents_are_refused(company):
    """A parent that is not there, of a wrong type, doubled in type or below the resource is refused."""
    before = await shown(company)
    for parents in (
        ["template:none"],
        ["document:d1"],
        ["document:d2"],
        ["tenant:acme"],
        ["template:nda", "template:offer"],
        ["member:uma"],
    ):
        refusal = await refused(update(company, "parents", parents=parents), "INVALID_INPUT")
        assert set(refusal.violations) <= {f"resource.parents[{position}]" for position in range(len(parents))}, refusal
    await refused(update(company, "parents", parents=["document:d1"], reference="template:nda"), "INVALID_INPUT")
    assert await shown(company) == before


async def test_an_update_is_of_what_was_read(company):
    """A stale etag is ABORTED; a repeated request is done once; what is not there is NOT_FOUND."""
    etag = (await shown(company)).etag
    first = await update(company, "properties", etag=etag, request_id="u1")
    assert first.etag != etag
    assert await update(company, "properties", etag=etag, request_id="u1") == first
    refusal = await refused(update(company, "properties", properties={"status": "y"}, etag=etag), "STALE_ETAG")
    assert refusal.code is grpc.StatusCode.ABORTED
    await refused(update(company, "properties", reference="document:none"), "NOT_FOUND")
    await refused(update(company, "properties", reference="member:uma"), "INVALID_INPUT")


async def test_a_form_is_processed_and_stays_in_its_template(found):
    """EF-06, EF-10: its processor sets a document's properties; only the platform places one in another template."""
    company = await found("eformsign")
    await company.register("template:nda")
    await company.register("template:offer")
    await company.register("document:d1", "template:nda", owner="ann")
    await company.join("uma")
    await company.grant("processor", "member:uma", "document:d1")
    done = await update(company, "properties", properties={"status": "done"}, actor="member:uma")
    assert dict(done.properties) == {"status": "done"}
    for actor in ("member:uma", "member:ann"):
        refusal = await refused(update(company, "parents", parents=["template:offer"], actor=actor), "NOT_PERMITTED")
        assert refusal.info.metadata["reason"] == "no_operation"
    assert list((await update(company, "parents", parents=["template:offer"])).parents) == ["template:offer"]


async def test_a_workspaces_document_is_put_into_a_teams_folder(found):
    """MS-06, MS-09, MS-12: who may transfer documents moves one; its team sees it then, and its own member no more."""
    company = await found("mekari-sign")
    for member in ("mia", "leo", "sal"):
        await company.join(member, roles=["member"])
    await company.make_group("sales", "member:sal")
    await company.register("document:w1", "workspace:mia", actor="member:mia")
    assert await company.check("sal", "view", "document:w1") == DENIED

    await refused(
        update(company, "parents", parents=["group:sales"], reference="document:w1", actor="member:mia"),
        "NOT_PERMITTED",
    )
    await update(company, "parents", parents=["group:sales"], reference="document:w1", actor="member:ann")
    assert await company.check("sal", "view", "document:w1") == ALLOWED
    assert await company.check("mia", "edit", "document:w1") == DENIED

    await refused(
        update(company, "parents", parents=["workspace:leo"], reference="document:w1", actor="member:ann"),
        "NOT_PERMITTED",
    )
    await update(company, "parents", parents=["workspace:leo"], reference="document:w1")
    assert await company.check("leo", "edit", "document:w1") == ALLOWED
    await refused(update(company, "parents", parents=["workspace:none"], reference="document:w1"), "INVALID_INPUT")
