"""What every FactsStore keeps: the facts, their revisions and their changes."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings

from sidegate.errors import InvalidInput, RevisionConflict
from sidegate.model.change import Change, EntryKind
from sidegate.model.facts import Grant, Group, Member, StoredResource, TenantFacts
from sidegate.model.revision import NO_REVISION, Revision
from sidegate.ports.facts_store import FactsStore
from sidegate_adapters.sql import SqlFactsStore
from support.facts.any_facts import tenant_facts
from support.facts.changes import changes_between, replayed
from support.facts.every_statement import is_cancelled_at, statements, until_idle
from support.facts.revisions import loaded, numbers

ACME = TenantFacts(
    "acme",
    pack="standard",
    settings={"seats": 3},
    members={"uma": Member("uma", quota=2), "ugo": Member("ugo")},
    groups={"sales": Group("sales", "Sales", frozenset({"member:uma", "group:all"}))},
    resources={
        "template:nda": StoredResource("template", "nda"),
        "document:d1": StoredResource(
            "document", "d1", frozenset({"template:nda", "group:sales"}), {"status": "draft"}
        ),
    },
    grants=frozenset(
        {
            Grant("admin", "tenant:acme", "member:uma"),
            Grant("document_manager", "template:nda", "group:sales"),
            Grant("owner", "document:d1", "member:ugo"),
            Grant("viewer", "document:d1", "group:sales"),
            Grant("owner", "document:d2", "member:uma"),
        }
    ),
)
UMA_LEAVES = Change(EntryKind.GROUP_MEMBER, ("sales", "member:uma"), {}, None)
ZOE_COMES = Change(
    EntryKind.MEMBER, ("zoe",), None, {"status": "active", "name": "", "email": "", "mfa": False, "quota": None}
)


async def put(store: FactsStore, facts: TenantFacts) -> Revision:
    """Bring a tenant to the given facts; return its revision."""
    stored, revision = await store.load(facts.id) or (None, NO_REVISION)
    written = await store.write(
        {facts.id: changes_between(stored, facts)}, expected={facts.id: revision.number}, actor="platform"
    )
    return written.get(facts.id, revision)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=tenant_facts())
async def test_any_facts_are_loaded_as_they_were_written(store: FactsStore, facts: TenantFacts) -> None:
    """From whatever facts a tenant had, the changes to any others lead exactly to these."""
    revision = await put(store, facts)

    assert await store.load("acme") == (facts, revision)


async def test_the_changes_rebuild_the_facts(store: FactsStore) -> None:
    """Replaying all changes of a tenant gives the facts that the store holds, after additions, changes and removals."""
    await put(store, ACME)
    await put(store, replace(ACME, groups={}, members={"uma": Member("uma", name="Uma")}, settings={}))
    await put(store, replace(ACME, pack="", resources={}, grants=frozenset()))

    assert await loaded(store, "acme") == (replayed("acme", await store.changes_after(0, limit=1000)), 3)


async def test_an_unknown_tenant_is_none(store: FactsStore) -> None:
    """Of a tenant that was never written there are no facts, no core, no resource and no revision."""
    assert await store.load("acme") is None
    assert await store.tenant_head("acme") is None
    assert await store.load_core("acme", frozenset({"tenant"})) is None
    assert await store.load_resource("acme", "document:d1") == (None, [], NO_REVISION)
    assert await store.tenants() == []
    assert await store.head() == 0
    assert await store.changes_after(0, limit=10) == []


async def test_only_changed_tenants_get_a_new_revision(store: FactsStore) -> None:
    """In a write over several tenants one without changes keeps its revision and is not in the answer."""
    for tenant in ("zeta", "acme"):
        await put(store, TenantFacts(tenant))

    written = await store.write({"acme": [ZOE_COMES], "zeta": []}, expected={"acme": 1, "zeta": 1}, actor="member:uma")

    assert numbers(written) == {"acme": 2}
    assert await loaded(store, "zeta") == (TenantFacts("zeta"), 1)
    assert await store.tenants() == ["acme", "zeta"]


async def test_a_write_without_changes_writes_nothing(store: FactsStore) -> None:
    """No changes at all give an empty answer and leave the feed where it was."""
    assert await store.write({"acme": []}, expected={"acme": 7}, actor="platform") == {}
    assert await store.head() == 0


@pytest.mark.parametrize("expected", [{"acme": 1, "zeta": 0}, {"acme": 1, "zeta": 2}, {"acme": 0, "zeta": 1}, {}])
async def test_one_conflict_stops_the_whole_write(store: FactsStore, expected: dict[str, int]) -> None:
    """Where one of several tenants is at another revision than expected, none of them changes."""
    await put(store, ACME)
    await put(store, TenantFacts("zeta"))
    head = await store.head()

    with pytest.raises(RevisionConflict, match=r"`(acme|zeta)` is at revision 1"):
        await store.write({"acme": [ZOE_COMES], "zeta": [ZOE_COMES]}, expected=expected, actor="platform")

    assert await loaded(store, "acme") == (ACME, 1)
    assert await loaded(store, "zeta") == (TenantFacts("zeta"), 1)
    assert await store.head() == head


async def test_a_write_depends_on_every_expected_revision(store: FactsStore) -> None:
    """A tenant that was only read can be expected too: its change by another makes the write a conflict."""
    await put(store, TenantFacts("acme"))
    await put(store, TenantFacts("zeta"))
    await put(store, TenantFacts("zeta", pack="standard"))

    with pytest.raises(RevisionConflict, match="`zeta` is at revision 2, not 1"):
        await store.write({"acme": [ZOE_COMES]}, expected={"acme": 1, "zeta": 1}, actor="platform")

    assert await loaded(store, "acme") == (TenantFacts("acme"), 1)


@pytest.mark.parametrize(
    "faulty",
    [
        pytest.param(Change(EntryKind.GROUP_MEMBER, ("nowhere", "member:zoe"), None, {}), id="member of no group"),
        pytest.param(Change(EntryKind.GROUP, ("sales",), {"name": "Sales"}, None), id="group that leaves its members"),
        pytest.param(Change(EntryKind.GRANT, ("owner", "document:d1", "zoe"), None, {}), id="holder without a type"),
        pytest.param(
            Change(EntryKind.MEMBER, ("zed",), None, {**(ZOE_COMES.after or {}), "quota": 2**70}),
            id="too large a number",
        ),
        pytest.param(Change(EntryKind.GROUP, ("\ud800",), None, {"name": ""}), id="text that is no unicode"),
        pytest.param(Change(EntryKind.GROUP, ("ops",), None, {"name": "a\0b"}), id="text with a zero"),
        pytest.param(
            Change(EntryKind.TENANT, (), None, {"pack": "", "settings": {"rate": float("nan")}}),
            id="number that is none",
        ),
    ],
)
async def test_a_faulty_change_stops_the_whole_write(store: FactsStore, faulty: Change) -> None:
    """What does not fit together or can't be kept is refused, nothing of the write stays, and the store goes on."""
    await put(store, ACME)

    with pytest.raises(InvalidInput):
        await store.write({"acme": [ZOE_COMES, faulty]}, expected={"acme": 1}, actor="platform")

    assert await loaded(store, "acme") == (ACME, 1)
    written = await store.write({"acme": [ZOE_COMES]}, expected={"acme": 1}, actor="platform")
    assert numbers(written) == {"acme": 2}


async def test_changes_to_a_tenant_that_is_not_made_are_refused(store: FactsStore) -> None:
    """The first write of a tenant makes the tenant itself, or is an error that names it."""
    with pytest.raises(InvalidInput, match="`acme`"):
        await store.write({"acme": [ZOE_COMES]}, expected={"acme": 0}, actor="platform")
    with pytest.raises(InvalidInput, match="`acme`"):
        await store.write({"acme": [Change(EntryKind.TENANT, (), {}, None)]}, expected={"acme": 0}, actor="platform")

    assert await store.head() == 0


async def test_the_last_of_several_changes_of_one_thing_counts(store: FactsStore) -> None:
    """Within a write the changes hold in their order: what comes, goes and comes again is there once."""
    await put(store, ACME)
    back = Change(UMA_LEAVES.entity, UMA_LEAVES.key, None, {})

    await store.write({"acme": [UMA_LEAVES, back, UMA_LEAVES]}, expected={"acme": 1}, actor="platform")
    removed, _ = await store.load("acme") or pytest.fail("the tenant is missing")
    await store.write({"acme": [back, UMA_LEAVES, back]}, expected={"acme": 2}, actor="platform")

    assert removed.groups["sales"].members == {"group:all"}
    assert await loaded(store, "acme") == (ACME, 3)


async def test_the_feed_has_every_change_in_order(store: FactsStore) -> None:
    """The feed's pages join to all changes, numbered from 1 without gaps, each with who made it and when."""
    start = datetime.now(UTC)
    await put(store, TenantFacts("zeta"))
    await put(store, ACME)
    with pytest.raises(RevisionConflict):
        await store.write({"acme": [UMA_LEAVES]}, expected={"acme": 9}, actor="platform")
    await store.write({"zeta": [ZOE_COMES], "acme": [UMA_LEAVES]}, expected={"zeta": 1, "acme": 1}, actor="member:uma")

    pages = [page := await store.changes_after(0, limit=4)]
    while page:
        pages.append(page := await store.changes_after(page[-1].sequence, limit=4))
    recorded = [item for page in pages for item in page]

    assert {len(page) for page in pages[:-2]} == {4}
    assert [item.sequence for item in recorded] == [*range(1, len(recorded) + 1)]
    assert await store.head() == len(recorded)
    first = [("zeta", 1, change) for change in changes_between(None, TenantFacts("zeta"))]
    second = [("acme", 1, change) for change in changes_between(None, ACME)]
    third = [("acme", 2, UMA_LEAVES), ("zeta", 2, ZOE_COMES)]
    assert [(item.tenant, item.revision, item.change) for item in recorded] == first + second + third
    assert [item.actor for item in recorded[-3:]] == ["platform", "member:uma", "member:uma"]
    assert all(start <= item.at <= datetime.now(UTC) and item.at.tzinfo is UTC for item in recorded)


async def test_a_tenant_head_is_the_pack_and_the_revision(store: FactsStore) -> None:
    """One row of a tenant has its pack, and the revision of its facts."""
    await put(store, ACME)
    revision = await put(store, replace(ACME, pack="standard", members={}, groups={}, resources={}, grants=frozenset()))
    zeta = await put(store, replace(ACME, id="zeta", pack=""))

    assert await store.tenant_head("acme") == ("standard", revision)
    assert await store.tenant_head("zeta") == ("", zeta)


async def test_a_core_has_no_resources_and_only_the_wanted_grants(store: FactsStore) -> None:
    """A core is the facts without resources, with the grants on scopes of the wanted types and no others."""
    await put(store, ACME)
    await put(store, replace(ACME, id="zeta"))

    core, _ = await store.load_core("acme", frozenset({"tenant", "template"})) or pytest.fail("the tenant is missing")
    nothing, _ = await store.load_core("acme", frozenset()) or pytest.fail("the tenant is missing")

    wanted = {grant for grant in ACME.grants if not grant.scope.startswith("document:")}
    assert core == replace(ACME, resources={}, grants=frozenset(wanted))
    assert nothing == replace(ACME, resources={}, grants=frozenset())


async def test_a_resource_comes_with_the_grants_on_it(store: FactsStore) -> None:
    """One resource is returned with its parents, properties, the grants on it alone, and the tenant's revision."""
    await put(store, ACME)
    await put(store, TenantFacts("zeta", grants=frozenset({Grant("viewer", "document:d1", "member:zed")})))

    resource, grants, revision = await store.load_resource("acme", "document:d1")

    assert resource == ACME.resources["document:d1"]
    assert set(grants) == {grant for grant in ACME.grants if grant.scope == "document:d1"}
    assert revision.number == 1


async def test_grants_are_returned_for_a_resource_that_is_not_registered(store: FactsStore) -> None:
    """A scope without a stored resource, in a known tenant, still has its grants and the revision."""
    revision = await put(store, ACME)

    owned = [Grant("owner", "document:d2", "member:uma")]
    assert await store.load_resource("acme", "document:d2") == (None, owned, revision)
    assert await store.load_resource("acme", "document:d3") == (None, [], revision)


async def test_many_resources_come_with_their_ancestors_from_one_view(store: FactsStore) -> None:
    """Each registered one is returned with all that is above it, and the grants on those that were asked for alone."""
    folders = [StoredResource("folder", f"f{n}", frozenset({f"folder:f{n + 1}"})) for n in range(3)]
    top = StoredResource("folder", "f3", properties={"open": True})
    leaves = [StoredResource("document", f"x{n}", frozenset({f"folder:f{n % 2}", "team:t"})) for n in range(1_200)]
    held = {Grant("viewer", f"{kind}:{name}", "member:uma") for kind in ("document", "folder") for name in ("x3", "f1")}
    company = replace(ACME, resources={one.ref: one for one in (*folders, top, *leaves)}, grants=ACME.grants | held)
    revision = await put(store, company)
    await put(store, replace(company, id="zeta"))
    asked = {f"document:x{n}" for n in range(0, 1_200, 2)} | {"document:x3", "document:none", "document:f1"}

    resources, grants, current = await store.load_resources("acme", asked)

    there = {one.ref: one for one in (*folders, top, *leaves) if one.type == "folder" or one.ref in asked}
    assert (resources, current) == (there, revision)
    assert {*grants} == {grant for grant in held if grant.scope in asked}
    assert await store.load_resources("acme", ["folder:f2"]) == (
        {one.ref: one for one in (folders[2], top)},
        [],
        revision,
    )
    assert await store.load_resources("acme", []) == ({}, [], revision)
    assert await store.load_resources("nobody", asked) == ({}, [], NO_REVISION)


async def test_resources_above_each_other_in_a_circle_are_returned_once(store: FactsStore) -> None:
    """A circle of parents, which only a write outside of Sidegate makes, ends the read."""
    circle = [
        StoredResource("folder", "a", frozenset({"folder:b"})),
        StoredResource("folder", "b", frozenset({"folder:a"})),
    ]
    revision = await put(store, replace(ACME, resources={one.ref: one for one in circle}))

    resources, _, current = await store.load_resources("acme", ["folder:a"])

    assert (resources, current) == ({one.ref: one for one in circle}, revision)


async def test_a_removed_tenant_leaves_only_its_changes(store: FactsStore) -> None:
    """Removing a tenant removes all of it and nothing of others; its changes stay."""
    zeta = replace(ACME, id="zeta")
    await put(store, ACME)
    await put(store, zeta)
    head = await store.head()

    removal = Change(EntryKind.TENANT, (), {"pack": "standard", "settings": {"seats": 3}}, None)
    written = await store.write({"acme": [removal]}, expected={"acme": 1}, actor="platform")

    assert numbers(written) == {"acme": 2}
    assert await store.load("acme") is None
    assert await store.load_resource("acme", "document:d1") == (None, [], NO_REVISION)
    assert await store.tenants() == ["zeta"]
    assert await loaded(store, "zeta") == (zeta, 1)
    assert len(await store.changes_after(0, limit=1000)) == head + 1


async def test_a_tenant_that_comes_again_starts_empty_and_goes_on_counting(store: FactsStore) -> None:
    """A tenant that is created again has nothing of the old one, and no revision number is used twice."""
    await put(store, ACME)
    removal = Change(EntryKind.TENANT, (), {"pack": "standard", "settings": {"seats": 3}}, None)
    await store.write({"acme": [removal]}, expected={"acme": 1}, actor="platform")

    await put(store, TenantFacts("acme"))
    again = await loaded(store, "acme")
    made = changes_between(None, TenantFacts("acme", pack="other"))
    await store.write({"acme": [ZOE_COMES, removal, *made]}, expected={"acme": 3}, actor="platform")

    assert again == (TenantFacts("acme"), 3)
    assert await loaded(store, "acme") == (TenantFacts("acme", pack="other"), 4)


async def test_what_is_written_outlives_the_store(address: str, store: FactsStore, other: FactsStore) -> None:
    """A second store on the same database sees a write as soon as it returned, also after the first is closed."""
    del address
    await put(store, ACME)
    seen = await loaded(other, "acme")
    await store.close()

    assert seen == (ACME, 1)
    assert await loaded(other, "acme") == (ACME, 1)


async def test_a_cancelled_write_is_whole_or_nothing(store: SqlFactsStore) -> None:
    """A write cancelled at any of its statements changes nothing or all, and the store goes on with the next."""
    revision = await put(store, TenantFacts("acme"))
    changes = changes_between(TenantFacts("acme"), ACME)
    for number in count():
        writing = store.write({"acme": changes}, expected={"acme": revision.number}, actor="platform")
        cancelled = await is_cancelled_at(store, writing, number)
        await put(store, TenantFacts("zeta", settings={"number": number}))
        await until_idle(store)

        whole, nothing = (ACME, revision.number + 1), (TenantFacts("acme"), revision.number)
        assert await loaded(store, "acme") in ((nothing, whole) if cancelled else (whole,))
        revision = await put(store, TenantFacts("acme"))
        if not cancelled:
            break
    assert number > 5


async def test_a_cancelled_read_leaves_nothing_behind(store: SqlFactsStore) -> None:
    """Reads cancelled at any statement, more than there are connections, hinder neither reads nor writes."""
    await put(store, ACME)
    with statements(store) as sent:
        await store.load("acme")
    for number in range(40):
        assert await is_cancelled_at(store, store.load("acme"), number % (len(sent) + 1))

    assert await loaded(store, "acme") == (ACME, 1)
    assert (await put(store, TenantFacts("acme"))).number == 2
