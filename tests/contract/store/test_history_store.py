"""What every HistoryStore returns: changes by each condition, and states of the past."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from sidegate.model.change import Change, ChangeQuery, EntryKind
from sidegate.model.facts import Grant, Group, Member, StoredResource, TenantFacts
from support.facts.changes import changes_between
from support.facts.coherent_facts import coherent_facts

UMA, UGO = Member("uma"), Member("ugo")
FIRST = TenantFacts("acme", members={"uma": UMA, "ugo": UGO}, resources={"document:d": StoredResource("document", "d")})
SECOND = TenantFacts(
    "acme",
    members=FIRST.members,
    groups={"sales": Group("sales", members=frozenset({"member:uma"}))},
    resources=FIRST.resources,
    grants=frozenset({Grant("owner", "document:d", "member:uma"), Grant("admin", "tenant:acme", "group:sales")}),
)
HANDED_OVER = TenantFacts(
    "acme",
    members=FIRST.members,
    groups=SECOND.groups,
    resources=FIRST.resources,
    grants=frozenset({Grant("owner", "document:d", "member:ugo"), Grant("admin", "tenant:acme", "group:sales")}),
)
DELETED = [Change(EntryKind.TENANT, (), {"pack": "", "settings": {}}, None)]
OWNED = {
    (EntryKind.GRANT, ("owner", "document:d", "member:uma")),
    (EntryKind.GRANT, ("owner", "document:d", "member:ugo")),
}


@pytest.fixture
async def filled(store):
    """A tenant with three revisions by two actors, and another one beside it."""
    await store.write({"acme": changes_between(None, FIRST)}, expected={}, actor="platform")
    await store.write({"acme": changes_between(FIRST, SECOND)}, expected={"acme": 1}, actor="member:uma")
    other = TenantFacts("globex", members={"uma": UMA})
    await store.write(
        {"globex": changes_between(None, other)}, expected={}, actor="member:uma", caller="orders-service"
    )
    handed_over = changes_between(SECOND, HANDED_OVER)
    await store.write({"acme": handed_over}, expected={"acme": 2}, actor="member:uma", caller="orders-service")
    return store


async def things(store, query=None, **conditions):
    found = await store.history("acme", query or ChangeQuery(**conditions), after=0, limit=100)
    assert {recorded.tenant for recorded in found} <= {"acme"}
    return [(recorded.change.entity, recorded.change.key) for recorded in found]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (
            {"subjects": ("member:ugo",)},
            {(EntryKind.MEMBER, ("ugo",)), (EntryKind.GRANT, ("owner", "document:d", "member:ugo"))},
        ),
        ({"subjects": ("role:admin",)}, {(EntryKind.GRANT, ("admin", "tenant:acme", "group:sales"))}),
        (
            {"subjects": ("group:sales",)},
            {
                (EntryKind.GROUP, ("sales",)),
                (EntryKind.GROUP_MEMBER, ("sales", "member:uma")),
                (EntryKind.GRANT, ("admin", "tenant:acme", "group:sales")),
            },
        ),
        ({"subjects": ("document:d",)}, {(EntryKind.RESOURCE, ("document:d",)), *OWNED}),
        ({"subjects": ("document:d", "member:ugo")}, {(EntryKind.GRANT, ("owner", "document:d", "member:ugo"))}),
        ({"entity": EntryKind.MEMBER}, {(EntryKind.MEMBER, ("uma",)), (EntryKind.MEMBER, ("ugo",))}),
        ({"subjects": ("document:d",), "entity": EntryKind.GRANT, "actor": "member:uma"}, OWNED),
        ({"actor": "member:uma", "entity": EntryKind.GROUP}, {(EntryKind.GROUP, ("sales",))}),
        ({"actor": "member:nobody"}, set()),
        ({"caller": "orders-service"}, OWNED),
        ({"caller": "orders-service", "actor": "platform"}, set()),
        ({"caller": "nobody"}, set()),
        ({"subjects": ("member:nobody",)}, set()),
    ],
)
async def test_changes_are_found_by_what_they_name(filled, conditions, expected):
    """Each condition finds exactly the changes of the tenant that it means, in whatever order they are asked for."""
    newest = await things(filled, **conditions)
    assert set(newest) == expected
    assert await things(filled, **conditions, oldest_first=True) == newest[::-1]


async def test_a_time_range_has_its_start_and_not_its_end(filled):
    """Changes of a time belong to the range that starts with it, and not to the one that ends with it."""
    every = await filled.history("acme", ChangeQuery(oldest_first=True), after=0, limit=100)
    for time in {recorded.at for recorded in every}:
        before = await things(filled, until=time, oldest_first=True)
        after = await things(filled, since=time, oldest_first=True)
        assert before + after == [(recorded.change.entity, recorded.change.key) for recorded in every]
        assert len(before) == sum(recorded.at < time for recorded in every)
    assert await things(filled, since=datetime(2999, 1, 1, tzinfo=UTC)) == []
    assert await things(filled, until=datetime(1999, 1, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize("conditions", [{}, {"subjects": ("member:uma",)}, {"actor": "member:uma"}])
@pytest.mark.parametrize("oldest_first", [False, True])
async def test_pages_add_up_to_the_whole(filled, conditions, oldest_first):
    """Page after page, every change comes once, in order."""
    query = ChangeQuery(**conditions, oldest_first=oldest_first)
    whole = await filled.history("acme", query, after=0, limit=100)
    pages, after = [], 0
    while page := await filled.history("acme", query, after=after, limit=2):
        pages += page
        after = page[-1].sequence
    assert pages == whole
    assert len(whole) > 2


async def test_each_change_keeps_its_caller_beside_its_actor(filled):
    """The history and the feed name the actor and the caller of each write; no caller is empty."""
    by_revision = {1: ("platform", ""), 2: ("member:uma", ""), 3: ("member:uma", "orders-service")}
    for found in (
        await filled.history("acme", ChangeQuery(), after=0, limit=100),
        [recorded for recorded in await filled.changes_after(0, limit=100) if recorded.tenant == "acme"],
        [recorded for recorded in (await filled.feed(0, limit=100))[1] if recorded.tenant == "acme"],
    ):
        assert {recorded.revision: (recorded.actor, recorded.caller) for recorded in found} == by_revision


async def test_times_never_go_back(filled):
    """A clock that is behind the newest change gives the next one a time just after it."""
    ahead = datetime.now(UTC) + timedelta(days=1)
    async with filled._writers.begin() as connection:
        shown = ahead.replace(tzinfo=None).isoformat(" ") if connection.dialect.name == "sqlite" else ahead.isoformat()
        await connection.execute(text(f"UPDATE feed SET at = '{shown}'"))
    await filled.write({"acme": DELETED}, expected={"acme": 3}, actor="platform")
    newest = (await filled.history("acme", ChangeQuery(), after=0, limit=1))[0]
    assert ahead < newest.at <= ahead + timedelta(milliseconds=1)


async def test_the_past_outlives_its_tenant(filled):
    """Every revision is what it was, after the tenant is deleted and after it is created again with other facts."""
    await filled.write({"acme": DELETED}, expected={"acme": 3}, actor="platform")
    again = TenantFacts("acme", members={"zoe": Member("zoe")})
    await filled.write({"acme": changes_between(None, again)}, expected={"acme": 0}, actor="platform")

    states = [await filled.load_at("acme", revision) for revision in range(6)]
    assert states == [None, FIRST, SECOND, HANDED_OVER, None, again]
    assert await filled.tenants_ever() == ["acme", "globex"]
    assert await filled.revision_at("acme") == 5
    assert await filled.revision_at("nobody") == 0


async def test_a_revision_is_found_by_its_time(filled):
    """At the time of a change its revision is the newest; before the first there is none."""
    every = await filled.history("acme", ChangeQuery(oldest_first=True), after=0, limit=100)
    times = {recorded.revision: recorded.at for recorded in every}
    for revision, at in times.items():
        newest = max(other for other, made_at in times.items() if made_at <= at)
        assert await filled.revision_at("acme", at) == newest >= revision
    assert await filled.revision_at("acme", every[0].at - timedelta(microseconds=1)) == 0
    assert await filled.revision_at("acme", datetime(2999, 1, 1, tzinfo=UTC)) == 3


_NAMES = (f"p{number}" for number in range(10**6))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(coherent_facts() | st.none(), min_size=1, max_size=6))
async def test_each_past_revision_is_exactly_what_was_loaded_then(store, states):
    """After any writes and removals, load_at returns for each revision what load returned then."""
    tenant = next(_NAMES)
    before, revision, loaded = None, 0, {0: None}
    for state in states:
        changes = _changes(before, state)
        if not changes:
            continue
        expected = {tenant: 0 if before is None else revision}
        revision = (await store.write({tenant: changes}, expected=expected, actor="platform"))[tenant].number
        before = state
        now = await store.load(tenant)
        loaded[revision] = None if now is None else now[0]
    assert {past: await store.load_at(tenant, past) for past in loaded} == loaded


def _changes(before, after):
    if after is not None:
        return changes_between(before, after)
    return [] if before is None else DELETED
