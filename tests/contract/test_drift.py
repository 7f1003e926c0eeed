"""Memory that differs from the store is found and loaded again, whatever the cause."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import text

from sidegate.engine import ENGINES
from sidegate.model.change import Change, EntryKind
from sidegate.model.facts import CustomRole, Grant, Group, Member, StoredResource, TenantFacts
from sidegate.policy.pack.registry import PackRegistry, bundled_packs
from sidegate.replica.checksum import checksum
from sidegate.replica.follower import Follower
from sidegate.replica.snapshots import Snapshots
from sidegate.replica.verifier import Verifier
from sidegate.telemetry.sync import SyncEvent, Unobserved
from sidegate_adapters.sql import SqlFactsStore
from support.facts.changes import changes_between

PACKS = PackRegistry(ENGINES["indexed"], bundled_packs(), "standard")
ACME = TenantFacts(
    "acme",
    settings={"require_mfa": True},
    members={"uma": Member("uma", quota=1), "vic": Member("vic")},
    groups={"sales": Group("sales", members=frozenset({"member:vic"}))},
    roles={"Reviewer": CustomRole("Reviewer", {"document": frozenset({"view"})})},
    resources={"document:d1": StoredResource("document", "d1"), "document:d2": StoredResource("document", "d2")},
    grants=frozenset({Grant("owner", "tenant:acme", "member:uma"), Grant("viewer", "document:d1", "member:vic")}),
)


class Counts(Unobserved):
    """Counts what is observed."""

    def __init__(self) -> None:
        self.of: Counter[SyncEvent] = Counter()

    def count(self, event: SyncEvent) -> None:
        self.of[event] += 1


@dataclass(frozen=True)
class Memory:
    """A tenant in memory with two of its resources, and what compares it."""

    store: SqlFactsStore
    snapshots: Snapshots
    verifier: Verifier
    seen: Counts


@pytest.fixture
async def memory(store: SqlFactsStore) -> Memory:
    seen = Counts()
    snapshots = Snapshots(store, PACKS, max_tenants=9, max_resources=9, observer=seen)
    follower = Follower(store, snapshots, poll_interval=1)
    await follower.catch_up()
    await store.write({"acme": changes_between(None, ACME)}, expected={"acme": 0}, actor="platform")
    snapshot = await snapshots.tenant("acme")
    document = snapshot.pack.pack.schema.resources["document"]
    for name in ("d1", "d2"):
        await snapshots.resource(snapshot, document, name)
    return Memory(store, snapshots, Verifier(snapshots, follower, interval=1, observer=seen), seen)


async def write(memory: Memory, *changes: Change) -> None:
    revision = (await memory.store.load("acme"))[1].number
    await memory.store.write({"acme": changes}, expected={"acme": revision}, actor="platform")


async def test_what_followed_the_feed_is_what_the_store_holds(memory: Memory) -> None:
    """After changes of every kind memory and a fresh load have one checksum, and nothing is found."""
    changed = replace(
        ACME,
        settings={},
        members={"uma": Member("uma", quota=2), "wim": Member("wim")},
        groups={"sales": Group("sales", members=frozenset({"member:uma"})), "ops": Group("ops")},
        roles={"Reviewer": CustomRole("Reviewer", {"document": frozenset({"view", "edit"})})},
        grants=frozenset({Grant("owner", "tenant:acme", "member:uma"), Grant("admin", "tenant:acme", "group:ops")}),
    )
    await write(memory, *changes_between(ACME, changed))
    assert await memory.verifier.verify("acme")
    assert memory.snapshots.peek("acme").revision.number == 2
    assert await memory.verifier.verify_resources()
    assert memory.seen.of[SyncEvent.VERIFIED] == 2
    assert memory.seen.of[SyncEvent.DRIFTED] == 0


async def corrupt_member(memory: Memory) -> None:
    held = memory.snapshots.peek("acme")
    members = held.members.insert("vic", replace(held.members["vic"], mfa=True))
    memory.snapshots._tenants.replace("acme", replace(held, members=members))


async def corrupt_grant(memory: Memory) -> None:
    held = memory.snapshots.peek("acme")
    program = held.program.with_rows(added=[("g", "member:vic", "admin", "tenant:acme")])
    memory.snapshots._tenants.replace("acme", replace(held, program=program))


async def corrupt_revision(memory: Memory) -> None:
    held = memory.snapshots.peek("acme")
    await write(memory, Change(EntryKind.MEMBER, ("vic",), {}, None))
    await memory.verifier._follower.catch_up()
    memory.snapshots._tenants.replace("acme", held)


async def past_the_feed(memory: Memory, statement: str) -> None:
    async with memory.store._writers.begin() as connection:
        await connection.execute(text(statement))


async def alter_member(memory: Memory) -> None:
    await past_the_feed(memory, "UPDATE members SET status = 'inactive' WHERE id = 'vic'")


async def remove_grant(memory: Memory) -> None:
    await past_the_feed(memory, "DELETE FROM grants WHERE role = 'owner'")


async def alter_settings(memory: Memory) -> None:
    await past_the_feed(memory, "UPDATE tenants SET settings = '{}'")


async def alter_role(memory: Memory) -> None:
    await past_the_feed(memory, """UPDATE roles SET permissions = '{"document": ["edit"]}'""")


async def remove_tenant(memory: Memory) -> None:
    for table in ("grants", "group_members", "groups", "roles", "members", "resources"):
        await past_the_feed(memory, f"DELETE FROM {table}")
    await past_the_feed(memory, "DELETE FROM tenants")


@pytest.mark.parametrize(
    "harm",
    [
        corrupt_member,
        corrupt_grant,
        corrupt_revision,
        alter_member,
        remove_grant,
        alter_settings,
        alter_role,
        remove_tenant,
    ],
)
async def test_a_tenant_that_drifted_is_loaded_again(memory: Memory, harm: Callable[[Memory], Awaitable[None]]) -> None:
    """A fault in memory, and rows that were altered past the feed, are found once and repaired."""
    await harm(memory)
    assert not await memory.verifier.verify("acme")
    fresh, stored = await memory.snapshots.tenant("acme"), await memory.snapshots.read("acme")
    assert (fresh and checksum(fresh)) == (stored and checksum(stored))
    assert await memory.verifier.verify("acme")
    assert memory.seen.of[SyncEvent.DRIFTED] == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM grants WHERE scope_id = 'd1'",
        """UPDATE resources SET properties = '{"status": "final"}' WHERE id = 'd1'""",
        "INSERT INTO resource_parents VALUES ('acme', 'document', 'd1', 'template', 'nda')",
    ],
)
async def test_a_resource_that_drifted_is_read_again(memory: Memory, statement: str) -> None:
    """Grants, properties and parents of a resource that were altered past the feed are found and repaired."""
    await past_the_feed(memory, statement)
    assert not await memory.verifier.verify_resources()
    assert memory.snapshots.resources() == [("acme", "document:d2")]
    assert memory.seen.of[SyncEvent.DRIFTED] == 1
    assert await memory.verifier.verify_resources()


async def test_what_changes_while_it_is_compared_is_no_drift(memory: Memory, monkeypatch) -> None:
    """A write between the two readings makes it compare again."""
    read = memory.snapshots.read
    names = iter("abc")

    async def busy(tenant):
        stored = await read(tenant)
        if name := next(names, ""):
            made = {"status": "active", "name": "", "email": "", "mfa": False, "quota": None}
            await write(memory, Change(EntryKind.MEMBER, (name,), None, made))
        return stored

    monkeypatch.setattr(memory.snapshots, "read", busy)
    assert await memory.verifier.verify("acme")
    assert memory.seen.of[SyncEvent.VERIFIED] == 0
    assert await memory.verifier.verify("acme")
    assert memory.seen.of == {SyncEvent.VERIFIED: 1}


async def test_it_goes_round_by_itself(memory: Memory) -> None:
    """Running beside the calls it finds drift without being asked."""
    await corrupt_member(memory)
    memory.verifier._interval = 0
    found = asyncio.Event()
    memory.seen.count = lambda event: event is SyncEvent.DRIFTED and found.set()
    running = asyncio.create_task(memory.verifier.run())
    await found.wait()
    running.cancel()
    assert memory.snapshots.peek("acme") is None
