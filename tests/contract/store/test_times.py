"""When revisions were made: what every store keeps of it, so that no two states of a tenant are taken for one."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidegate.model.change import Change, EntryKind, Receipt
from sidegate.model.facts import TenantFacts
from sidegate.model.page import GrantQuery, MemberQuery, Relation, ResourceQuery, TenantQuery
from sidegate.model.quota import UsageQuery
from sidegate.model.revision import NO_REVISION, Revision
from sidegate_adapters.sql import SqlFactsStore
from sidegate_adapters.sql.write import times
from support.facts.changes import changes_between

DELETED = Change(EntryKind.TENANT, (), {"pack": "", "settings": {}}, None)
TENANTS = ("acme", "globex")


class Clock:
    """The machine's clock, as somebody sets it, trusted whatever it shows."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def now(self) -> datetime:
        return self.time

    def jump(self) -> timedelta:
        return timedelta()


@pytest.fixture
def clock(store: SqlFactsStore, monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(store, "_clock", made)
    return made


def settled(number: int) -> Change:
    return Change(EntryKind.TENANT, (), {"pack": "", "settings": {}}, {"pack": "", "settings": {"seats": number}})


async def write(store: SqlFactsStore, *tenants: str, deleted: bool = False) -> dict[str, Revision]:
    """Make, alter or remove tenants in one write."""
    there = {tenant: await store.load(tenant) for tenant in tenants}
    changes = {
        tenant: changes_between(None, TenantFacts(tenant)) if found is None else [DELETED if deleted else settled(1)]
        for tenant, found in there.items()
        if found is not None or not deleted
    }
    expected = {tenant: found[1].number for tenant, found in there.items() if found}
    return dict(await store.write(changes, expected=expected, actor="platform"))


writes = st.tuples(
    st.timedeltas(-timedelta(days=2), timedelta(days=2)),
    st.sets(st.sampled_from(TENANTS), min_size=1).map(sorted),
    st.booleans(),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(writes, min_size=1, max_size=8))
async def test_a_tenants_times_only_grow_whatever_clocks_do(
    store: SqlFactsStore, clock: Clock, steps: list[tuple[timedelta, list[str], bool]]
) -> None:
    """Each revision of a tenant is later than the one before, on two machines' clocks and through its removals."""
    start, last = await store.head(), dict.fromkeys(TENANTS, Revision())
    for jump, tenants, deleted in steps:
        clock.time += jump
        for tenant, revision in (await write(store, *tenants, deleted=deleted)).items():
            assert revision.time > last[tenant].time
            assert revision.number > last[tenant].number
            last[tenant] = revision
    times = [recorded.at for recorded in await store.changes_after(start, limit=1000)]
    assert times == sorted(times)


async def test_two_stores_that_go_on_from_one_backup_have_no_revision_in_common(
    store: SqlFactsStore, clock: Clock, restored: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the clock went back before the backup was made, so that time is counted on from it by chance."""
    chances = itertools.count()
    monkeypatch.setattr(times, "randbelow", lambda _: next(chances))
    await write(store, *TENANTS)
    clock.time -= timedelta(days=1)
    before = await store.head()
    lost = [(await write(store, "acme"))["acme"] for _ in range(5)]
    await restored(before, number=1)
    again = [(await write(store, "acme"))["acme"] for _ in range(5)]

    assert [revision.number for revision in lost] == [revision.number for revision in again] == [2, 3, 4, 5, 6]
    assert not {*lost} & {*again}


@pytest.fixture
def restored(store: SqlFactsStore) -> Iterator[Callable[..., Any]]:
    """Take the database back to a head at which every tenant was at a number, as a backup does."""

    async def take_back(head: int, *, number: int) -> None:
        async with store._writers.begin() as connection:
            for statement in (
                f"DELETE FROM changes WHERE sequence > {head}",
                f"DELETE FROM change_subjects WHERE sequence > {head}",
                f"UPDATE tenants SET revision = {number}, settings = '{{}}'",
                f"UPDATE feed SET head = {head}, at = (SELECT at FROM changes WHERE sequence = {head})",
            ):
                await connection.exec_driver_sql(statement)

    return take_back


def every_read(store: SqlFactsStore, tenant: str) -> Sequence[Awaitable[tuple[object, Revision]]]:
    """Begin each read that one step of the membership may make."""
    return (
        store.entries(tenant, [(EntryKind.TENANT, ())]),
        store.related(tenant, Relation.GRANTS_OF, ["member:uma"]),
        store.seats(tenant),
        store.members(tenant, MemberQuery(), after="", limit=1),
        store.size(tenant),
        store.page(tenant, EntryKind.GROUP, after="", limit=1),
        store.resource_page(tenant, ResourceQuery(), after="", limit=1),
        store.counts(tenant, "group:sales"),
        store.grant_page(tenant, GrantQuery(Relation.GRANTS_OF, "member:uma"), after=None, limit=1),
        store.group_page(tenant, "sales", after="", limit=1),
        store.quota_totals(tenant, UsageQuery(), after=(date(1, 1, 1), ""), limit=1),
    )


async def test_all_reads_return_the_same_revision(store: SqlFactsStore) -> None:
    """The write, every read, the history and a repeated request name one number and one time."""
    receipt = Receipt("r1", b"digest", b"response")
    await write(store, "acme")
    made = await store.write({"acme": [settled(2)]}, expected={"acme": 1}, actor="platform", receipt=receipt)
    made_revision = made["acme"]

    assert await store.tenant_head("acme") == ("", made_revision)
    assert (await store.load("acme"))[1] == made_revision
    assert (await store.load_core("acme", frozenset()))[1] == made_revision
    assert (await store.load_resource("acme", "document:d1"))[2] == made_revision
    assert (await store.tenant_page(TenantQuery(), after="", limit=1))[0].revision == made_revision
    assert {(await read)[1] for read in every_read(store, "acme")} == {made_revision}
    assert {(await read)[1] for read in every_read(store, "nobody")} == {NO_REVISION}
    assert await store.revision("acme", made_revision.number) == made_revision
    assert await store.receipt("acme", "r1") == (receipt, made_revision)
    assert {recorded.part_of for recorded in await store.changes_after(1, limit=9)} == {made_revision}


async def test_a_revision_is_known_by_its_number_for_ever(store: SqlFactsStore) -> None:
    """A revision is found after later ones, and after its tenant is deleted and created again; others are not."""
    made = [(await write(store, "acme"))["acme"] for _ in range(2)]
    made.append((await write(store, "acme", deleted=True))["acme"])
    made.append((await write(store, "acme"))["acme"])
    await write(store, "globex")

    assert [await store.revision("acme", number) for number in range(1, 5)] == made
    assert [await store.revision("acme", number) for number in (0, 5)] == [None, None]
    assert await store.revision("nobody", 1) is None


async def test_a_revision_whose_change_was_removed_is_older_than_any(store: SqlFactsStore) -> None:
    """Somebody emptied the table of changes: the tenant still has its revision, but no token of before is it."""
    made_revision = (await write(store, "acme"))["acme"]
    async with store._writers.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM changes")
    assert await store.tenant_head("acme") == ("", Revision(1, 0))
    assert await store.revision("acme", 1) is None
    assert made_revision.time > 0
