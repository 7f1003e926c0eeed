"""What every HistoryStore returns of the use of quota, and of the members of teams over time."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from sidegate.model.change import Cause, ChangeQuery
from sidegate.model.facts import Group, Member, TenantFacts
from sidegate.model.quota import Period, QuotaUse, UsageQuery
from sidegate_adapters.sql import open_store, schema
from support.facts.changes import changes_between

ALL = (date.min, "")


def facts(tenant, quotas, teams):
    """Return a tenant of members with quota, in groups whose members are references."""
    members = {id_: Member(id_, quota=quota) for id_, quota in quotas.items()}
    return TenantFacts(
        tenant, members=members, groups={id_: Group(id_, members=frozenset(inside)) for id_, inside in teams.items()}
    )


async def travel(store, time):
    """Let the next write be made at a later time than all before; the feed's time never goes back."""
    async with store._writers.begin() as connection:
        shown = time.replace(tzinfo=None).isoformat(" ") if connection.dialect.name == "sqlite" else time.isoformat()
        await connection.execute(text(f"UPDATE feed SET at = '{shown}'"))


async def totals(store, tenant, *, limit=100, **query):
    found, after = [], ALL
    while True:
        page, _ = await store.quota_totals(tenant, UsageQuery(**query), after=after, limit=limit)
        found += page
        if len(page) < limit:
            return [(one.start, one.holder, one.use) for one in found]
        after = (page[-1].start, page[-1].holder)


@pytest.fixture
async def used(store):
    """A tenant of two teams, one inside the other, whose members used quota on four days of a future February."""
    store.future = datetime(2999, 2, 27, 23, 30, tzinfo=UTC)
    teams = {"emea": {"group:sales"}, "sales": {"member:uma"}}
    states = [
        (0, facts("acme", {"uma": 5, "leo": 3}, teams), Cause.UNSAID),
        (0, facts("acme", {"uma": 4, "leo": 3}, teams), Cause.CONSUMED),
        (1, facts("acme", {"uma": 2, "leo": 3}, teams), Cause.CONSUMED),
        (2, facts("acme", {"uma": 3, "leo": 3}, teams), Cause.RELEASED),
        (2, facts("acme", {"uma": 3, "leo": 3}, {"emea": {"group:sales"}, "sales": {"member:leo"}}), Cause.UNSAID),
        (9, facts("acme", {"uma": 2, "leo": 2}, {"emea": {"group:sales"}, "sales": {"member:leo"}}), Cause.CONSUMED),
    ]
    before, revision = None, 0
    for day, state, cause in states:
        await travel(store, store.future + timedelta(days=day))
        changes = [replace(one, cause=cause) for one in changes_between(before, state)]
        written = await store.write({"acme": changes}, expected={"acme": revision}, actor="member:uma")
        revision = written["acme"].number
        before = state
    return store


DAYS = [date(2999, 2, 27), date(2999, 2, 28), date(2999, 3, 1), date(2999, 3, 8)]
UMA, LEO, SALES, EMEA = "member:uma", "member:leo", "group:sales", "group:emea"


async def test_use_is_added_up_by_day(used):
    """MS-08: what a member used counts for it, for its group, and for the group around that, as they were then."""
    assert await totals(used, "acme", holder=UMA) == [
        (DAYS[0], UMA, QuotaUse(consumed=1, assigned=5)),
        (DAYS[1], UMA, QuotaUse(consumed=2)),
        (DAYS[2], UMA, QuotaUse(released=1)),
        (DAYS[3], UMA, QuotaUse(consumed=1)),
    ]
    for group in (SALES, EMEA):
        assert await totals(used, "acme", holder=group) == [
            (DAYS[0], group, QuotaUse(consumed=1, assigned=5)),
            (DAYS[1], group, QuotaUse(consumed=2)),
            (DAYS[2], group, QuotaUse(released=1)),
            (DAYS[3], group, QuotaUse(consumed=1)),  # leo's by then
        ]
    assert await totals(used, "globex") == []


async def test_use_is_added_up_by_week_and_month(used):
    """Weeks start on Monday, months on their first, and a period has only those of its days that are asked for."""
    # In the year 2999 the 27th of February is a Wednesday.
    weeks = [(start, use) for start, _, use in await totals(used, "acme", holder=UMA, period=Period.WEEK)]
    assert weeks == [
        (date(2999, 2, 25), QuotaUse(consumed=3, released=1, assigned=5)),
        (date(2999, 3, 4), QuotaUse(consumed=1)),
    ]
    since, until = used.future + timedelta(days=1), used.future + timedelta(days=2)
    assert await totals(used, "acme", holder=UMA, period=Period.MONTH, since=since, until=until) == [
        (date(2999, 2, 1), UMA, QuotaUse(consumed=2)),
        (date(2999, 3, 1), UMA, QuotaUse(released=1)),
    ]


@pytest.mark.parametrize("period", Period)
@pytest.mark.parametrize("holder", ["", UMA, SALES])
async def test_pages_of_use_add_up_to_the_whole(used, period, holder):
    """Page after page, each period of each holder comes once, in order."""
    whole = await totals(used, "acme", holder=holder, period=period)
    assert whole == sorted(whole, key=lambda row: row[:2])
    assert len({row[:2] for row in whole}) == len(whole) > 1
    for limit in (1, 2, 3):
        assert await totals(used, "acme", holder=holder, period=period, limit=limit) == whole


@pytest.mark.parametrize(
    ("subject", "actor_group", "expected"),
    [("quota/*", "", 7), (f"quota/{UMA}", "", 5), (f"quota/{SALES}", "", 5), ("", "sales", 10), ("", "nobody", 0)],
)
async def test_entries_are_found_by_what_they_count_for(used, subject, actor_group, expected):
    """MS-07: each change of quota by its member, its groups and all; and all that somebody did until it left a team."""
    query = ChangeQuery((subject,) if subject else (), actor_group=actor_group)
    found = await used.history("acme", query, after=0, limit=100)
    assert len(found) == expected
    if subject:
        assert {one.change.cause for one in found} <= {Cause.UNSAID, Cause.CONSUMED, Cause.RELEASED}


async def test_what_the_migration_fills_in_is_what_was_written(used, address):
    """From a schema without them, the use of quota and the teams come back from the changes, all of it as assigned."""
    every = [f"quota/{holder}" for holder in ("*", UMA, LEO, SALES, EMEA)] + ["actor/group:sales", "actor/group:emea"]
    recorded = [await used.history("acme", ChangeQuery((subject,)), after=0, limit=100) for subject in every]
    use = await totals(used, "acme")
    async with used._writers.begin() as connection:
        await connection.run_sync(lambda it: schema.downgrade(it, "0005"))
    reopened = await open_store(address)

    again = [await reopened.history("acme", ChangeQuery((subject,)), after=0, limit=100) for subject in every]
    assert [[one.sequence for one in found] for found in again] == [
        [one.sequence for one in found] for found in recorded
    ]
    assert await totals(reopened, "acme") == [
        (start, holder, QuotaUse(assigned=one.assigned + one.released - one.consumed)) for start, holder, one in use
    ]
    await reopened.close()


async def test_sums_stop_at_what_can_be_stored(store):
    """A day's sum that would not fit stays at its limit, and the write that made it goes through."""
    most = 2**53 - 1
    members = {f"m{number}": most for number in range(40)}
    state = facts("acme", members, {"sales": {f"member:{id_}" for id_ in members}})
    await store.write({"acme": changes_between(None, state)}, expected={}, actor="platform")
    ((_, _, use),) = await totals(store, "acme", holder=SALES)
    assert use == QuotaUse(assigned=min(40 * most, 2**57))


QUOTAS = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 3))
_NAMES = (f"u{number}" for number in range(10**6))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(st.tuples(QUOTAS, st.sampled_from(Cause)), min_size=1, max_size=5))
async def test_all_that_was_used_makes_what_is_left(store, states):
    """Whatever was set, consumed and released: assigned + released - consumed is what each member has left."""
    tenant, before, revision = next(_NAMES), None, 0
    for quotas, cause in states:
        state = facts(tenant, quotas, {})
        changes = [replace(one, cause=cause) for one in changes_between(before, state)]
        if changes:
            revision = (await store.write({tenant: changes}, expected={tenant: revision}, actor="p"))[tenant].number
        before = state
    left: defaultdict[str, int] = defaultdict(int)
    for _, holder, use in await totals(store, tenant):
        left[holder] += use.assigned + use.released - use.consumed
    expected = {f"member:{id_}": member.quota for id_, member in before.members.items() if member.quota}
    assert {holder: number for holder, number in left.items() if number} == expected
