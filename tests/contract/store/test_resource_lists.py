"""What every MembershipStore lists of registered resources: by type, by parent, by owner."""

from functools import partial

import pytest

from sidegate.model.facts import Grant, Group, Member, StoredResource, TenantFacts
from sidegate.model.page import GrantQuery, Relation, ResourceQuery, ResourceRecord
from support.facts.changes import changes_between
from support.facts.filled_store import analyze
from support.facts.revisions import numbered
from support.facts.work import done_for

RESOURCES = {
    resource.ref: resource
    for resource in (
        StoredResource("template", "nda", properties={"n": 1}),
        StoredResource("template", "nda:2"),
        StoredResource("document", "d1", frozenset({"template:nda", "group:sales"}), {"status": "draft"}),
        StoredResource("document", "d2", frozenset({"template:nda"})),
        StoredResource("document", "d3", frozenset({"template:nda:2"})),
        StoredResource("document", "D4"),
        StoredResource("a", "z"),
    )
}
OWNERS = {
    "template:nda": "member:uma",
    "document:d1": "member:uma",
    "document:d3": "member:uma",
    "document:d2": "group:sales",
}
ACME = TenantFacts(
    "acme",
    members={"uma": Member("uma")},
    groups={"sales": Group("sales")},
    resources=RESOURCES,
    grants=frozenset(
        {
            *(Grant("owner", scope, holder) for scope, holder in OWNERS.items()),
            Grant("owner", "tenant:acme", "member:uma"),
            Grant("viewer", "document:d2", "member:uma"),
        }
    ),
)
EVERY = {"type": "document", "parent": "template:t", "owner": "member:uma"}
IN_ORDER = ["a:z", "document:D4", "document:d1", "document:d2", "document:d3", "template:nda", "template:nda:2"]


@pytest.fixture
async def filled(store):
    """A store with two tenants that have resources of the same names."""
    other = TenantFacts("globex", resources={"document:d1": StoredResource("document", "d1")})
    changes = {"acme": changes_between(None, ACME), "globex": changes_between(None, other)}
    await store.write(changes, expected={}, actor="platform")
    return store


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, IN_ORDER),
        ({"type": "document"}, IN_ORDER[1:5]),
        ({"type": "docu"}, []),
        ({"parent": "template:nda"}, ["document:d1", "document:d2"]),
        ({"parent": "template:nda:2"}, ["document:d3"]),
        ({"parent": "group:sales", "type": "document"}, ["document:d1"]),
        ({"parent": "template:nda", "type": "template"}, []),
        ({"owner": "member:uma"}, ["document:d1", "document:d3", "template:nda"]),
        ({"owner": "member:uma", "type": "document"}, ["document:d1", "document:d3"]),
        ({"owner": "member:uma", "parent": "template:nda"}, ["document:d1"]),
        ({"owner": "group:sales"}, ["document:d2"]),
        ({"owner": "member:nobody"}, []),
    ],
)
async def test_conditions_must_all_hold_and_pages_lose_nothing(filled, query, expected):
    """Whatever is asked, in one page or one by one, each resource comes once, whole, in the order of its reference."""
    records = [ResourceRecord(RESOURCES[reference], OWNERS.get(reference, "")) for reference in expected]
    assert await numbered(filled.resource_page("acme", ResourceQuery(**query), after="", limit=99)) == (records, 1)
    paged, after = [], ""
    while True:
        page, _ = await filled.resource_page("acme", ResourceQuery(**query), after=after, limit=1)
        if not page:
            break
        paged += page
        after = page[-1].resource.ref
    assert paged == records


async def test_of_an_unknown_tenant_there_is_nothing(filled):
    """A tenant that is not there has no resources, and revision 0."""
    assert await numbered(filled.resource_page("nobody", ResourceQuery(), after="", limit=9)) == ([], 0)


@pytest.mark.parametrize("after", ["", "document:d1015"])
async def test_a_page_reads_no_more_where_there_is_more(store, after):
    """A page of a tenant with fifty times the documents, all in one template and of one owner, costs no more."""
    small, large = company("small", 20), company("large", 1_000)
    changes = {facts.id: changes_between(None, facts) for facts in (small, large)}
    await store.write(changes, expected={}, actor="platform")
    if store._readers.dialect.name == "postgresql":
        await analyze(store)
    for conditions in ({}, {"type": "document"}, {"parent": "template:t"}, {"owner": "member:uma"}, EVERY):
        call = partial(store.resource_page, query=ResourceQuery(**conditions), after=after, limit=4)
        cheap, dear = [
            sum(done.work for done in await done_for(store, partial(call, tenant))) for tenant in ("small", "large")
        ]
        assert dear <= 2 * cheap + 100, (conditions, cheap, dear)


def company(tenant: str, documents: int) -> TenantFacts:
    """Return a tenant whose documents have one template and one owner."""
    names = [f"d{1_000 + number}" for number in range(documents)]
    return TenantFacts(
        tenant,
        members={"uma": Member("uma")},
        resources={
            "template:t": StoredResource("template", "t"),
            **{f"document:{n}": StoredResource("document", n, frozenset({"template:t"})) for n in names},
        },
        grants=frozenset(Grant("owner", f"document:{name}", "member:uma") for name in names),
    )


async def test_grants_on_a_scope_come_by_role_and_holder(store):
    """Pages of what is held on one scope lose nothing, and begin after a grant whether or not it is there."""
    held = [
        Grant(role, "document:d1", holder)
        for role in ("editor", "owner", "viewer")
        for holder in ("group:a", "group:z", "member:a", "member:z")
    ]
    facts = TenantFacts("acme", grants=frozenset({*held, Grant("viewer", "document:d2", "member:a")}))
    await store.write({"acme": changes_between(None, facts)}, expected={}, actor="platform")

    on_it, nowhere = (GrantQuery(Relation.GRANTS_ON, scope) for scope in ("document:d1", "document:none"))
    assert await numbered(store.grant_page("acme", on_it, after=None, limit=99)) == (held, 1)
    for position, grant in enumerate(held):
        assert await numbered(store.grant_page("acme", on_it, after=grant, limit=3)) == (held[position + 1 :][:3], 1)
    missing = Grant("owner", "document:d1", "member:m")
    assert await numbered(store.grant_page("acme", on_it, after=missing, limit=1)) == ([held[7]], 1)
    assert await numbered(store.grant_page("acme", nowhere, after=None, limit=9)) == ([], 1)
    assert await numbered(store.grant_page("nobody", on_it, after=None, limit=9)) == ([], 0)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (GrantQuery(Relation.GRANTS_OF, "member:a"), [1, 0, 3, 7]),
        (GrantQuery(Relation.GRANTS_OF, "member:a", frozenset({"tenant", "template"})), [0, 3, 7]),
        (GrantQuery(Relation.GRANTS_AS, "member"), [2, 0]),
        (GrantQuery(Relation.GRANTS_AS, "owner"), [4]),
        (GrantQuery(Relation.GRANTS_ON, "tenant:acme"), [2, 0, 5, 4]),
    ],
)
async def test_grants_come_in_pages_by_holder_and_by_role(store, query, expected):
    """EF-08: whatever grants are asked for come by role, scope and holder, and pages of any size lose none."""
    written = [
        Grant("member", "tenant:acme", "member:a"),
        Grant("editor", "document:d1", "member:a"),
        Grant("member", "tenant:acme", "group:z"),
        Grant("user", "template:t", "member:a"),
        Grant("owner", "tenant:acme", "member:b"),
        Grant("minder", "tenant:acme", "member:c"),
        Grant("member", "template:t", "member:c"),
        Grant("user", "template:u", "member:a"),
        Grant("member", "tenant:globex", "member:d"),
    ]
    facts = TenantFacts("acme", grants=frozenset(written))
    await store.write({"acme": changes_between(None, facts)}, expected={}, actor="platform")
    for limit in (1, 2, 99):
        listed, after = [], None
        while page := (await store.grant_page("acme", query, after=after, limit=limit))[0]:
            listed += page
            after = page[-1]
        assert listed == [written[number] for number in expected]


async def test_members_of_a_group_come_by_type_and_id(store):
    """Groups come before members, and pages lose nobody."""
    inside = ["group:b", "group:c", "member:a", "member:z"]
    groups = {"a": Group("a", members=frozenset(inside)), "b": Group("b", members=frozenset({"member:x"}))}
    await store.write({"acme": changes_between(None, TenantFacts("acme", groups=groups))}, expected={}, actor="p")

    assert await numbered(store.group_page("acme", "a", after="", limit=99)) == (inside, 1)
    for position, holder in enumerate(inside):
        assert await numbered(store.group_page("acme", "a", after=holder, limit=2)) == (inside[position + 1 :][:2], 1)
    assert await numbered(store.group_page("acme", "c", after="", limit=9)) == ([], 1)
    assert await numbered(store.group_page("nobody", "a", after="", limit=9)) == ([], 0)
