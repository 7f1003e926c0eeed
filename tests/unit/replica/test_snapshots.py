"""What a sidecar holds in memory, and how it loads and forgets it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.engine import ENGINES
from sidegate.errors import StoreUnavailable, Unavailable
from sidegate.facts.fixed import FixedFacts
from sidegate.model.change import Change, EntryKind, RecordedChange
from sidegate.model.facts import Member, StoredResource, TenantFacts
from sidegate.model.revision import Revision
from sidegate.policy.pack.registry import PackRegistry, bundled_packs
from sidegate.replica import feed
from sidegate.replica.follower import Follower
from sidegate.replica.snapshots import FOLLOW_LIMIT, LOADS, TENANT_READS, Snapshots
from sidegate.runtime.lru import BoundedMap

PACKS = PackRegistry(ENGINES["indexed"], bundled_packs(), "standard")


class SlowReader(FixedFacts):
    """Facts that count how often they are read; `number` is the revision that they claim to be of.

    A load sets `begun` once it has read the revision, and goes on once `goes_on` is set, as it is at first.
    """

    def __init__(self, tenants: dict[str, TenantFacts]) -> None:
        super().__init__(tenants)
        self.asked: Counter[str] = Counter()
        self.number = 1
        self.failing = False
        self.begun = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def load_core(self, tenant, scope_types):
        self.asked[tenant] += 1
        revision = at(self.number)
        self.begun.set()
        await self.goes_on.wait()
        if self.failing:
            raise StoreUnavailable("the store does not answer")
        loaded = await super().load_core(tenant, scope_types)
        return loaded and (loaded[0], revision)

    async def load_resource(self, tenant, reference):
        self.asked[reference] += 1
        resource, grants, _ = await super().load_resource(tenant, reference)
        return resource, grants, at(self.number)


TIME = datetime(2026, 1, 1, tzinfo=UTC)


def at(number: int) -> Revision:
    """The revision of a number, whose time is that of `change`."""
    return Revision.made(number, TIME)


def change(revision: int, entity: EntryKind = EntryKind.MEMBER, key: tuple[str, ...] = ("vic",)) -> RecordedChange:
    """A change that makes the member vic, or touches something else."""
    after = {"status": "active", "name": "", "email": "", "mfa": False, "quota": None}
    return RecordedChange(revision, "acme", revision, Change(entity, key, None, after), "test", TIME)


def tenant(name: str) -> TenantFacts:
    document = StoredResource("document", "d1")
    return TenantFacts(id=name, members={"uma": Member("uma")}, resources={"document:d1": document})


@pytest.fixture
def reader() -> SlowReader:
    return SlowReader({name: tenant(name) for name in ("acme", "globex", "initech")})


@pytest.fixture
def snapshots(reader) -> Snapshots:
    return Snapshots(reader, PACKS, max_tenants=2, max_resources=2)


@asynccontextmanager
async def during_load(snapshots: Snapshots, reader: SlowReader, name: str) -> AsyncIterator[asyncio.Task[Any]]:
    """Begin to load a tenant; the load has read its revision when the block begins, and the rest after it ends."""
    reader.begun.clear()
    reader.goes_on.clear()
    loading = asyncio.create_task(snapshots.tenant(name))
    await reader.begun.wait()
    yield loading
    reader.goes_on.set()


async def test_a_tenant_is_loaded_once_however_many_wait(snapshots, reader):
    """A first use by many together is one load, and the next use is none."""
    found = await asyncio.gather(*(snapshots.tenant("acme") for _ in range(20)))
    assert len({id(snapshot) for snapshot in found}) == 1
    assert await snapshots.tenant("acme") is found[0]
    assert reader.asked["acme"] == 1


async def test_a_waiter_that_gives_up_disturbs_nobody(snapshots):
    """A cancelled request leaves the load to those who still wait."""
    first = asyncio.create_task(snapshots.tenant("acme"))
    second = asyncio.create_task(snapshots.tenant("acme"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).tenant == "acme"


async def test_a_failed_load_is_not_remembered(snapshots, reader):
    """An error reaches all who wait, and the next touch asks again."""
    reader.failing = True
    for outcome in await asyncio.gather(*(snapshots.tenant("acme") for _ in range(3)), return_exceptions=True):
        assert isinstance(outcome, StoreUnavailable)
    reader.failing = False
    assert (await snapshots.tenant("acme")).tenant == "acme"


async def test_a_change_during_a_load_is_followed_from_what_was_loaded(snapshots, reader):
    """A load that began before a change was seen becomes a snapshot of that change's revision, and is not repeated."""
    async with during_load(snapshots, reader, "acme") as loading:
        snapshots.apply_changes("acme", [change(2)])
        snapshots.apply_changes("acme", [change(3, key=("wim",))])
    loaded = await loading
    assert (loaded.revision.number, sorted(loaded.members)) == (3, ["uma", "vic", "wim"])
    assert reader.asked["acme"] == 1


async def test_a_change_that_does_not_follow_from_a_load_makes_it_load_again(snapshots, reader):
    """Where a revision between what was read and what was seen is missing, nothing is guessed."""
    async with during_load(snapshots, reader, "acme") as loading:
        reader.number = 3
        snapshots.apply_changes("acme", [change(3)])
    assert (await loading).revision.number == 3
    assert reader.asked["acme"] == 2


async def test_what_was_read_before_a_gap_is_never_held(snapshots, reader):
    """When everything is forgotten a load under way begins again, and nothing that was held is given any more."""
    held = await snapshots.tenant("globex")
    async with during_load(snapshots, reader, "acme") as loading:
        snapshots.invalidate_all()
    await loading
    assert reader.asked["acme"] == 2
    assert await snapshots.tenant("globex") is not held


async def test_an_unknown_tenant_is_asked_for_once_until_it_is_made(snapshots, reader):
    """That there is no such tenant is remembered until a change of it is seen, also one seen while it was read."""
    for _ in range(5):
        assert await snapshots.tenant("hooli") is None
    assert reader.asked["hooli"] == 1
    reader._tenants["hooli"] = tenant("hooli")
    snapshots.apply_changes("hooli", [change(1)])
    assert (await snapshots.tenant("hooli")).tenant == "hooli"

    async with during_load(snapshots, reader, "pied") as loading:
        del reader._tenants["hooli"]
        snapshots.apply_changes("pied", [change(1)])
    assert await loading is None
    assert reader.asked["pied"] == 2


async def test_a_flood_of_first_uses_leaves_connections_free(snapshots):
    """However many tenants are asked for at once, only a few wait for the store together."""
    together = []

    class Crowd:
        async def load_core(self, _tenant, _scopes):
            together.append(+1)
            await asyncio.sleep(0)
            together.append(-1)

    snapshots._store = Crowd()
    await asyncio.gather(*(snapshots.tenant(f"nowhere{number}") for number in range(100)))
    assert max(accumulate(together)) == TENANT_READS


async def test_loads_that_nobody_waits_for_are_bounded(snapshots, reader, monkeypatch):
    """Callers that leave while the store is slow leave few loads behind; what is awaited or being read goes on."""
    monkeypatch.setattr("sidegate.replica.snapshots.WAITING_LOADS", 10)
    reader.goes_on.clear()
    waiting = asyncio.create_task(snapshots.tenant("acme"))
    leaving = [asyncio.create_task(snapshots.tenant(f"t{number}")) for number in range(100)]
    also = asyncio.create_task(snapshots.tenant("t50"))
    await reader.begun.wait()
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    await asyncio.sleep(0)
    assert len(snapshots._flights) <= 10 + TENANT_READS
    again = asyncio.create_task(snapshots.tenant("t99"))
    reader.goes_on.set()
    assert (await waiting).tenant == "acme"
    assert [await also, await again] == [None, None]
    await asyncio.gather(*(flight.task for flight in snapshots._flights.values()))
    assert sum(reader.asked.values()) <= 2 * 10 + TENANT_READS


async def test_a_load_ends_however_fast_a_tenant_changes(snapshots, reader):
    """Where no read can be used, a load gives up after several instead of reading forever."""

    class Invalidating:
        async def load_core(self, tenant, scopes):
            snapshots.invalidate_all()
            return await reader.load_core(tenant, scopes)

    snapshots._store = Invalidating()
    with pytest.raises(Unavailable, match="faster than it can be loaded"):
        await snapshots.tenant("acme")
    assert reader.asked["acme"] == LOADS


async def test_a_change_is_followed_without_a_load(snapshots, reader):
    """The next revision is made from the one that is held; what is already held costs nothing."""
    held = await snapshots.tenant("acme")
    snapshots.apply_changes("acme", [change(1)])
    assert await snapshots.tenant("acme") is held
    snapshots.apply_changes("acme", [change(2), change(3, key=("wim",))])
    followed = await snapshots.tenant("acme")
    assert (followed.revision.number, sorted(followed.members)) == (3, ["uma", "vic", "wim"])
    assert sorted(held.members) == ["uma"]
    assert reader.asked["acme"] == 1


async def test_a_missing_revision_makes_it_load_again(snapshots, reader):
    """Where changes leave a gap nothing is guessed."""
    await snapshots.tenant("acme")
    reader.number = 3
    snapshots.apply_changes("acme", [change(3)])
    assert (await snapshots.tenant("acme")).revision.number == 3
    assert reader.asked["acme"] == 2


async def test_very_many_changes_make_it_load_again(snapshots, reader):
    """What would hold up all others while it is followed is loaded beside them instead, also while it is loaded."""
    await snapshots.tenant("acme")
    reader.number = 2
    many = [change(2, key=(f"m{number}",)) for number in range(FOLLOW_LIMIT + 1)]
    snapshots.apply_changes("acme", many)
    assert snapshots.peek("acme") is None
    async with during_load(snapshots, reader, "acme") as loading:
        reader.number = 3
        snapshots.apply_changes("acme", many[:-1])
        snapshots.apply_changes("acme", [change(3)])
    assert (await loading).revision.number == 3
    assert reader.asked["acme"] == 3


async def test_the_least_recently_used_tenant_goes_out(snapshots, reader):
    """Memory holds at most the configured number of tenants."""
    for name in ("acme", "globex", "acme", "initech", "acme"):
        await snapshots.tenant(name)
    assert reader.asked == {"acme": 1, "globex": 1, "initech": 1}
    await snapshots.tenant("globex")
    assert reader.asked["globex"] == 2


async def test_unknown_tenants_push_nobody_out(snapshots, reader):
    """Asking for tenants that are not there neither fills memory nor empties it."""
    await snapshots.tenant("acme")
    for number in range(50):
        assert await snapshots.tenant(f"nowhere{number}") is None
    await snapshots.tenant("acme")
    assert reader.asked["acme"] == 1
    assert len(snapshots._tenants) == 1
    assert snapshots._flights == {}


async def test_unregistered_resources_push_no_registered_one_out(snapshots, reader):
    """Asking about documents that are not there can't be used to flush those that are."""
    snapshot = await snapshots.tenant("acme")
    document = snapshot.pack.pack.schema.resources["document"]
    assert (await snapshots.resource(snapshot, document, "d1")).registered
    for number in range(50):
        assert not (await snapshots.resource(snapshot, document, f"x{number}")).registered
    await snapshots.resource(snapshot, document, "d1")
    assert reader.asked["document:d1"] == 1


@pytest.mark.parametrize(
    ("entity", "key", "asked"),
    [
        (EntryKind.MEMBER, ("vic",), 1),
        (EntryKind.GRANT, ("viewer", "document:d2", "member:uma"), 1),
        (EntryKind.GRANT, ("viewer", "document:d1", "member:uma"), 2),
        (EntryKind.RESOURCE, ("document:d1",), 2),
        (EntryKind.RESOURCE, ("document:d2",), 1),
        (EntryKind.RESOURCE, ("template:t",), 2),
    ],
)
async def test_a_resource_is_read_again_once_a_change_is_about_it(snapshots, reader, entity, key, asked):
    """A change of the resource, of its grants, or of one of its ancestors, makes it be read again; no other does."""
    snapshot = await snapshots.tenant("acme")
    document = snapshot.pack.pack.schema.resources["document"]
    await snapshots.resource(snapshot, document, "d1")
    reader.number = 2
    snapshots.apply_changes("acme", [change(2, entity, key)])
    snapshot = await snapshots.tenant("acme")
    assert snapshot.revision == at(2)
    assert await snapshots.resource(snapshot, document, "d1") is not None
    assert reader.asked["document:d1"] == asked


async def test_a_resource_at_another_revision_is_not_given(snapshots, reader):
    """A snapshot never gets a resource from before or after it, also where another snapshot took its place."""
    old = await snapshots.tenant("acme")
    document = old.pack.pack.schema.resources["document"]
    reader.number = 2
    assert await snapshots.resource(old, document, "d1") is None
    snapshots.apply_changes("acme", [change(2)])
    new = await snapshots.tenant("acme")
    assert await snapshots.resource(new, document, "d1") is not None
    assert await snapshots.resource(old, document, "d1") is None


async def test_a_resource_of_another_history_is_not_given(snapshots, reader, monkeypatch):
    """What a restored store holds at the snapshot's number, but of another time, is no part of the snapshot."""
    snapshot = await snapshots.tenant("acme")
    read = reader.load_resource

    async def restored(tenant, reference):
        resource, grants, revision = await read(tenant, reference)
        return resource, grants, replace(revision, time=revision.time + 1)

    monkeypatch.setattr(reader, "load_resource", restored)
    document = snapshot.pack.pack.schema.resources["document"]
    assert await snapshots.resource(snapshot, document, "d1") is None


@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=60))
def test_a_bounded_map_keeps_the_entries_used_last(limit, steps):
    """It holds exactly the last used keys, as a plain list of uses says."""
    entries: BoundedMap[int, int] = BoundedMap(limit)
    used: list[int] = []
    for putting, key in steps:
        if putting:
            entries.put(key, key)
            used = ([k for k in used if k != key] + [key])[-limit:]
        elif entries.get(key) is not None:
            used = [k for k in used if k != key] + [key]
    assert [key for key in range(9) if entries._entries.get(key) is not None] == sorted(used)


class ScriptedStore:
    """The store as the follower sees it: an empty feed that counts polls and may fail.

    A poll sets `begun`, and goes on once `goes_on` is set, as it is at first.
    """

    def __init__(self) -> None:
        self.polls = 0
        self.failing = False
        self.begun = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def head(self) -> int:
        return 0

    async def feed(self, _sequence, *, limit):
        assert limit > 0
        self.polls += 1
        self.begun.set()
        await self.goes_on.wait()
        if self.failing:
            raise StoreUnavailable("the store does not answer")
        return 0, []


async def test_callers_that_catch_up_together_share_a_poll(snapshots):
    """Many waiters cost at most the look under way and one that begins after they asked."""
    store = ScriptedStore()
    store.goes_on.clear()
    follower = Follower(store, snapshots, poll_interval=1)
    running = asyncio.create_task(follower.catch_up())
    await store.begun.wait()
    waiting = [asyncio.create_task(follower.catch_up()) for _ in range(20)]
    await asyncio.sleep(0)
    store.goes_on.set()
    await asyncio.gather(running, *waiting)
    assert store.polls == 2


async def test_a_hint_that_another_poll_has_answered_leads_to_none(snapshots, monkeypatch):
    """A look that a write asked for finds what was hinted at before it began, and nobody polls again for that."""
    store = ScriptedStore()
    follower = Follower(store, snapshots, poll_interval=59)
    pause, pausing = follower._pause, asyncio.Event()

    async def reported() -> None:
        pausing.set()
        await pause()

    monkeypatch.setattr(follower, "_pause", reported)
    running = asyncio.create_task(follower.run())
    await follower.poll_ended()
    follower.poll_now()
    await follower.catch_up()
    await pausing.wait()
    for _ in range(100):  # longer than it takes to begin another poll
        await asyncio.sleep(0)
    assert store.polls == 2
    follower.poll_now()
    await follower.poll_ended()
    running.cancel()


async def test_staleness_counts_from_the_beginning_of_the_last_good_poll(snapshots):
    """A failed look leaves the view as old as it was; nothing was ever seen before the first."""
    now = [100.0]
    store = ScriptedStore()
    follower = Follower(store, snapshots, poll_interval=1, clock=lambda: now[0])
    assert follower.staleness() == float("inf")
    await follower.catch_up()
    now[0] = 103.0
    store.failing = True
    with pytest.raises(StoreUnavailable):
        await follower.catch_up()
    assert follower.staleness() == 3.0
    store.failing = False
    answer = store.feed

    async def slow(sequence, *, limit):
        now[0] += 2.0
        return await answer(sequence, limit=limit)

    store.feed = slow
    await follower.catch_up()
    assert follower.staleness() == 2.0


async def test_a_poll_that_hangs_gives_way_to_another(snapshots, monkeypatch):
    """A page that never arrives is a failing store, and the next poll reads again."""
    store = ScriptedStore()
    answer = store.feed
    follower = Follower(store, snapshots, poll_interval=1)
    await follower.catch_up()

    async def silent(_sequence, *, limit):
        await asyncio.Event().wait()
        return limit, []

    store.feed = silent
    monkeypatch.setattr(feed, "PATIENCE", 0.01)
    with pytest.raises(StoreUnavailable, match="silent"):
        await follower.catch_up()
    store.feed = answer
    monkeypatch.undo()
    await follower.catch_up()
    assert follower.staleness() < 60


async def test_a_failing_store_is_logged_once_and_once_when_it_is_back(snapshots, caplog):
    """However often it is asked in vain, the log has one line when the store goes away and one when it is back."""
    caplog.set_level("INFO", logger="sidegate")
    store = ScriptedStore()
    follower = Follower(store, snapshots, poll_interval=0.001)
    running = asyncio.create_task(follower.run())

    async def polls(count: int) -> None:
        for _ in range(count):
            await follower.poll_ended()

    await polls(2)
    store.failing = True
    await polls(5)
    store.failing = False
    await polls(5)
    running.cancel()
    events = [record.msg["event"] for record in caplog.records]
    assert events == ["store unavailable", "store available again"]
