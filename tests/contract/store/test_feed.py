"""The feed as a sidecar reads it, from every store: no change twice, none left out, and no other feed in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from sidegate.engine import ENGINES
from sidegate.model.change import Change, EntryKind
from sidegate.model.facts import Grant, Member, TenantFacts
from sidegate.policy.pack.registry import PackRegistry, bundled_packs
from sidegate.replica import feed as feeds
from sidegate.replica.feed import Feed
from sidegate.replica.follower import Follower
from sidegate.replica.snapshots import Snapshots
from sidegate.telemetry.sync import SyncEvent
from sidegate_adapters.sql import SqlFactsStore
from support.facts.changes import changes_between

MEMBER = {"status": "active", "name": "", "email": "", "mfa": False, "quota": None}
PACKS = PackRegistry(ENGINES["indexed"], bundled_packs(), "standard")


async def make(store: SqlFactsStore, tenant: str, *members: str) -> None:
    facts = TenantFacts(tenant, members={name: Member(name) for name in members})
    await store.write({tenant: changes_between(None, facts)}, expected={tenant: 0}, actor="platform")


async def join(store: SqlFactsStore, tenant: str, *names: str) -> None:
    _, revision = await store.load(tenant)
    made = [Change(EntryKind.MEMBER, (name,), None, MEMBER) for name in names]
    await store.write({tenant: made}, expected={tenant: revision.number}, actor="platform")


async def run(store: SqlFactsStore, *statements: str) -> None:
    """Do to the database what Sidegate never does."""
    async with store._writers.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


@pytest.fixture
async def feed(store: SqlFactsStore) -> Feed:
    """Return a feed that has read two writes."""
    made = Feed(store)
    assert await made.read() is None
    await make(store, "acme", "uma", "vic")
    await make(store, "zeta")
    assert await made.read() is not None
    return made


@pytest.mark.parametrize("page", [2, 3, 1000])
async def test_every_change_is_read_once(store, feed, monkeypatch, page):
    """Pages of any size join to whole revisions by tenant, in their order; nothing new is nothing."""
    monkeypatch.setattr(feeds, "PAGE", page)
    await join(store, "acme", "a", "b", "c")
    await join(store, "zeta", "d")
    await join(store, "acme", "e")

    found = await feed.read()

    keys = {tenant: [(c.revision, c.change.key) for c in changes] for tenant, changes in found.items()}
    assert keys == {"acme": [(2, ("a",)), (2, ("b",)), (2, ("c",)), (3, ("e",))], "zeta": [(2, ("d",))]}
    assert await feed.read() == {}


async def restored(store: SqlFactsStore) -> None:
    """Take the store back to before the second tenant was made."""
    await run(
        store,
        "DELETE FROM changes WHERE tenant = 'zeta'",
        "DELETE FROM change_subjects WHERE tenant = 'zeta'",
        "DELETE FROM tenants WHERE id = 'zeta'",
        "UPDATE feed SET head = (SELECT max(sequence) FROM changes)",
    )


async def restored_and_written(store: SqlFactsStore) -> None:
    await restored(store)
    await make(store, "beta", "bob", "ben", "bea")


async def truncated(store: SqlFactsStore) -> None:
    await run(store, "DELETE FROM changes")


async def rewritten(store: SqlFactsStore) -> None:
    await run(store, "UPDATE changes SET actor = 'nobody' WHERE sequence = (SELECT head FROM feed)")


async def by_another_caller(store: SqlFactsStore) -> None:
    await run(store, "UPDATE changes SET caller = 'nobody' WHERE sequence = (SELECT head FROM feed)")


async def without_a_change(store: SqlFactsStore) -> None:
    await join(store, "acme", "a", "b", "c")
    await run(store, "DELETE FROM changes WHERE sequence = (SELECT head - 1 FROM feed)")


async def without_the_newest(store: SqlFactsStore) -> None:
    await join(store, "acme", "a", "b", "c")
    await run(store, "DELETE FROM changes WHERE sequence = (SELECT head FROM feed)")


@pytest.mark.parametrize(
    "harm",
    [
        *(restored, restored_and_written, truncated, rewritten, by_another_caller),
        *(without_a_change, without_the_newest),
    ],
)
async def test_another_feed_is_not_taken_for_this_one(
    store: SqlFactsStore, feed: Feed, harm: Callable[[SqlFactsStore], Awaitable[None]]
) -> None:
    """A store that was restored, or whose changes were harmed, is noticed once, and then read on from its head."""
    await harm(store)
    assert await feed.read() is None
    assert await feed.read() == {}
    await join(store, "acme", "zoe")
    assert [change.change.key for change in (await feed.read())["acme"]] == [("zoe",)]


async def test_a_feed_that_never_began_is_read_from_its_first_change(store: SqlFactsStore) -> None:
    """Every change is reported of a store that was empty at the first poll."""
    feed = Feed(store)
    assert await feed.read() is None
    await make(store, "acme", "uma")
    assert len((await feed.read())["acme"]) == 2


async def test_a_restored_store_is_decided_by_as_it_is(store: SqlFactsStore) -> None:
    """After the store went back in time no snapshot is from the time that never was."""
    snapshots = Snapshots(store, PACKS, max_tenants=9, max_resources=9)
    follower = Follower(store, snapshots, poll_interval=1)
    await make(store, "acme", "uma")
    await follower.catch_up()
    await join(store, "acme", "vic")
    await make(store, "zeta", "zoe")
    await follower.catch_up()
    assert "vic" in (await snapshots.tenant("acme")).members
    assert await snapshots.tenant("zeta") is not None
    assert await snapshots.tenant("beta") is None

    await run(
        store,
        "DELETE FROM changes WHERE tenant = 'zeta' OR revision = 2",
        "DELETE FROM change_subjects",
        "DELETE FROM members WHERE tenant = 'zeta' OR id = 'vic'",
        "DELETE FROM tenants WHERE id = 'zeta'",
        "UPDATE tenants SET revision = 1",
        "UPDATE feed SET head = (SELECT max(sequence) FROM changes)",
    )
    await make(store, "beta", "bob")
    await join(store, "acme", "wim")
    await follower.catch_up()

    assert sorted((await snapshots.tenant("acme")).members) == ["uma", "wim"]
    assert await snapshots.tenant("zeta") is None
    assert sorted((await snapshots.tenant("beta")).members) == ["bob"]


class CountedEvents:
    """A `SyncObserver` that holds the events in order."""

    def __init__(self) -> None:
        self.events: list[SyncEvent] = []

    def count(self, event: SyncEvent) -> None:
        self.events.append(event)

    def lagged(self, seconds: float) -> None:
        """Do nothing with a lag."""


@pytest.mark.parametrize("page", [2, 1000])
@pytest.mark.parametrize("limit", [3, 100_000])
async def test_a_large_write_is_followed_without_an_alarm(store: SqlFactsStore, monkeypatch, limit, page) -> None:
    """A write of more changes than one poll reads, or than are followed one by one, counts no gap and is applied."""
    monkeypatch.setattr(feeds, "PAGE", page)
    monkeypatch.setattr(feeds, "FOLLOW_LIMIT", limit)
    observer = CountedEvents()
    snapshots = Snapshots(store, PACKS, max_tenants=9, max_resources=9, observer=observer)
    follower = Follower(store, snapshots, poll_interval=1, observer=observer)
    await make(store, "acme", "uma")
    await follower.catch_up()
    assert [*(await snapshots.tenant("acme")).members] == ["uma"]

    await join(store, "acme", "vic", "wim", "xia", "yao", "zoe")
    await follower.catch_up()

    assert SyncEvent.GAP not in observer.events
    assert sorted((await snapshots.tenant("acme")).members) == ["uma", "vic", "wim", "xia", "yao", "zoe"]
    await join(store, "acme", "ann")
    await follower.catch_up()
    assert "ann" in snapshots.peek("acme").members


async def test_a_restored_store_is_a_gap_however_far_its_head_is(store: SqlFactsStore, monkeypatch) -> None:
    """A feed without the change that was read last is an alarm, also where it has more changes than are followed."""
    observer = CountedEvents()
    follower = Follower(
        store, Snapshots(store, PACKS, max_tenants=9, max_resources=9), poll_interval=1, observer=observer
    )
    await make(store, "zeta")
    await follower.catch_up()
    monkeypatch.setattr(feeds, "FOLLOW_LIMIT", 1)
    await rewritten(store)
    await make(store, "acme", "uma", "vic", "wim")

    await follower.catch_up()

    assert observer.events.count(SyncEvent.GAP) == 1


async def test_changes_that_can_not_be_taken_are_not_passed_over(store: SqlFactsStore, monkeypatch) -> None:
    """Where following fails halfway nothing older stays in memory, though the feed has newer changes."""
    snapshots = Snapshots(store, PACKS, max_tenants=9, max_resources=9)
    follower = Follower(store, snapshots, poll_interval=1)
    await follower.catch_up()
    for tenant in ("acme", "zeta"):
        await make(store, tenant, "uma")
        await snapshots.tenant(tenant)
        await join(store, tenant, "vic")
    follow = snapshots.apply_changes

    def failing(tenant, changes):
        if tenant == "acme":
            raise RuntimeError("no room")
        follow(tenant, changes)

    monkeypatch.setattr(snapshots, "apply_changes", failing)
    with pytest.raises(RuntimeError):
        await follower.catch_up()
    await follower.catch_up()
    assert "vic" in (await snapshots.tenant("acme")).members
    assert "vic" in (await snapshots.tenant("zeta")).members


async def test_a_thing_removed_and_made_again_is_the_new_one(store: SqlFactsStore) -> None:
    """A tenant that comes again under its old name has nothing of what it was."""
    snapshots = Snapshots(store, PACKS, max_tenants=9, max_resources=9)
    follower = Follower(store, snapshots, poll_interval=1)
    await follower.catch_up()
    facts = TenantFacts(
        "acme", members={"uma": Member("uma")}, grants=frozenset({Grant("owner", "tenant:acme", "member:uma")})
    )
    await store.write({"acme": changes_between(None, facts)}, expected={"acme": 0}, actor="platform")
    assert "uma" in (await snapshots.tenant("acme")).members

    deleted = Change(EntryKind.TENANT, (), {"pack": "", "settings": {}}, None)
    await store.write({"acme": [deleted]}, expected={"acme": 1}, actor="platform")
    await make(store, "acme", "vic")
    await follower.catch_up()

    again = await snapshots.tenant("acme")
    assert (again.revision.number, sorted(again.members)) == (3, ["vic"])
