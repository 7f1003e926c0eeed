"""Who holds which role on a resource, over gRPC: on it, on its ancestors, and through groups."""

from __future__ import annotations

import pytest

from sidegate.authz.v1 import resource_pb2 as pb
from support.servers.companies import Company, refused

FACTS = """\
tenants:
  TENANT:
    pack: standard
    members:
      ann: {roles: [owner]}
      adam: {roles: [admin]}
      dan: {}
      uma: {}
      ugo: {}
      vic: {}
    groups:
      all: {members: [vic, "group:north", "group:south"]}
      north: {members: [ugo, "group:polar"]}
      polar: {members: [uma]}
      south: {members: [uma, ugo, "group:polar"]}
      empty: {}
    resources:
      template:nda: {owner: ann}
      document:d1: {parents: [template:nda], owner: uma}
      document:d2: {}
    grants:
      - {role: viewer, on: document:d1, to: "group:all"}
      - {role: viewer, on: document:d1, to: "member:ugo"}
      - {role: signer, on: document:d1, to: "group:empty"}
      - {role: document_manager, on: template:nda, to: "group:polar"}
      - {role: template_user, on: template:nda, to: "member:dan"}
      - {role: viewer, on: document:d2, to: "member:vic"}
"""
ON_IT = [
    ("owner", "document:d1", "member:uma", ""),
    ("signer", "document:d1", "group:empty", ""),
    ("viewer", "document:d1", "group:all", ""),
    ("viewer", "document:d1", "group:north", "group:all"),
    ("viewer", "document:d1", "group:south", "group:all"),
    ("viewer", "document:d1", "member:vic", "group:all"),
    ("viewer", "document:d1", "group:polar", "group:all group:north"),
    ("viewer", "document:d1", "member:ugo", "group:all group:north"),
    ("viewer", "document:d1", "member:uma", "group:all group:north group:polar"),
    ("viewer", "document:d1", "group:polar", "group:all group:south"),
    ("viewer", "document:d1", "member:ugo", "group:all group:south"),
    ("viewer", "document:d1", "member:uma", "group:all group:south"),
    ("viewer", "document:d1", "member:ugo", ""),
]
ABOVE = [
    ("document_manager", "template:nda", "group:polar", ""),
    ("document_manager", "template:nda", "member:uma", "group:polar"),
    ("owner", "template:nda", "member:ann", ""),
    ("template_user", "template:nda", "member:dan", ""),
]


async def related(
    company: Company, reference: str = "document:d1", size: int = 50, actor: str = ""
) -> tuple[list[pb.Relation], set[str]]:
    """Return all relations of a resource, page by page, and what is hidden from who asks."""
    seen: list[pb.Relation] = []
    hidden: set[str] = set()
    token = ""
    while True:
        request = pb.ListRelationsRequest(
            name=company.resource(reference), page_size=size, page_token=token, actor=actor
        )
        page = await company.resources.ListRelations(request)
        assert len(page.relations) <= size
        seen += page.relations
        hidden |= {*page.hidden}
        token = page.next_page_token
        if not token:
            return seen, hidden


def rows(relations: list[pb.Relation]) -> list[tuple[str, str, str, str]]:
    return [(one.role, one.scope, one.holder, " ".join(one.through)) for one in relations]


pytestmark = pytest.mark.company("standard", FACTS)
"""A company with a document in a template, and groups in groups that hold roles on both."""


async def test_every_path_to_a_role_is_listed_and_marked(company):
    """ST-13, ST-16, ST-17: what is held on the document comes first, then what it inherits, each through its groups."""
    relations, hidden = await related(company, actor="member:ann")
    assert rows(relations) == ON_IT + ABOVE
    assert [one.inherited for one in relations] == [False] * len(ON_IT) + [True] * len(ABOVE)
    assert not any(one.implied for one in relations)
    assert hidden == set()
    assert rows((await related(company, "document:d2"))[0]) == [("viewer", "document:d2", "member:vic", "")]


async def test_pages_of_any_size_list_the_same(company):
    """However small the pages, each relation comes once and in order, also where one ends amid a group."""
    for size in (1, 2, 3, 7):
        assert rows((await related(company, size=size))[0]) == ON_IT + ABOVE


async def test_a_page_goes_on_where_things_have_changed(company):
    """A page after a grant or a group member that went meanwhile begins after the place where it was."""
    request = pb.ListRelationsRequest(name=company.resource("document:d1"), page_size=6)
    first = await company.resources.ListRelations(request)
    assert rows(list(first.relations)) == ON_IT[:6]
    await company.revoke("viewer", "group:all", "document:d1")
    request.page_token = first.next_page_token
    rest = await company.resources.ListRelations(request)
    assert rows(list(rest.relations)) == [ON_IT[-1], *ABOVE]


async def test_who_views_a_document_sees_what_is_held_on_it_alone(company):
    """ST-04, ST-07, ST-14: a viewer sees into neither its template nor groups, which are named as hidden."""
    for actor in ("member:uma", "member:vic"):
        relations, hidden = await related(company, actor=actor)
        assert rows(relations) == [row for row in ON_IT if not row[3]]
        assert hidden == {"template:nda", "group:all", "group:empty"}
    for actor in ("member:adam", "member:dan", "member:stranger"):
        await refused(related(company, actor=actor), "NOT_PERMITTED")


async def test_what_is_not_there_has_no_relations(company):
    """An unknown resource or tenant is NOT_FOUND for the platform, and refused like any other to members."""
    await refused(related(company, "document:none"), "NOT_FOUND")
    await refused(related(company, "document:none", actor="member:uma"), "NOT_PERMITTED")
    nowhere = pb.ListRelationsRequest(name="tenants/nowhere/resources/document:d1")
    await refused(company.resources.ListRelations(nowhere), "NOT_FOUND")
    wrong = pb.ListRelationsRequest(name=company.resource("document:d1"), page_token="forged")
    assert set((await refused(company.resources.ListRelations(wrong), "INVALID_INPUT")).violations) == {"page_token"}


async def test_what_a_pack_gives_without_a_grant_is_marked(found):
    """MS-06, MS-09: a team's members hold its folder, and a member its workspace, without a grant."""
    company = await found("mekari-sign")
    for member in ("mia", "sal"):
        await company.join(member, roles=["member"])
    await company.make_group("sales", "member:sal")
    await company.register("document:w1", "workspace:mia", "group:sales", owner="sal")
    for size in (1, 50):
        relations, _ = await related(company, "document:w1", size)
        assert rows(relations) == [
            ("owner", "document:w1", "member:sal", ""),
            ("group_member", "group:sales", "group:sales", ""),
            ("group_member", "group:sales", "member:sal", "group:sales"),
            ("self", "workspace:mia", "member:mia", ""),
        ]
        assert [(one.inherited, one.implied) for one in relations] == [(False, False)] + [(True, True)] * 3


async def test_a_group_of_thousands_is_listed_page_by_page(company):
    """Members of a large group come in pages, none twice and none left out."""
    people = [f"p{n:04}" for n in range(1200)]
    members = "".join(f"      {name}: {{}}\n" for name in people)
    text = FACTS.replace("      ann:", f"{members}      ann:").replace(
        "      empty: {}\n", f"      empty: {{members: [{', '.join(people)}]}}\n"
    )
    await company.apply(text)
    relations, _ = await related(company, size=500)
    signers = [one.holder for one in relations if one.role == "signer" and one.through]
    assert signers == [f"member:{name}" for name in people]
    assert len(relations) == len(ON_IT + ABOVE) + len(people)
