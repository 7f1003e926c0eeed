"""What every FactsStore keeps when several act at once, or one dies in the middle of a write."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sidegate.errors import RevisionConflict
from sidegate.model import Grant, Member, StoredResource, TenantFacts
from sidegate.ports import FactsStore
from sidegate_adapters.sql import open_store
from support.changes import changes_between

TESTS = Path(__file__).parents[1]


async def add_member(store: FactsStore, name: str) -> int:
    """Add a member, reading again as often as another writer comes first; return how often one did."""
    conflicts = 0
    while True:
        facts, revision = await store.load("acme") or pytest.fail("the tenant is gone")
        grown = replace(facts, members={**facts.members, name: Member(name)})
        try:
            await store.write({"acme": changes_between(facts, grown)}, expected={"acme": revision}, actor=name)
        except RevisionConflict:
            conflicts += 1
        else:
            return conflicts


async def test_writers_at_once_end_in_one_right_state(store: FactsStore, other: FactsStore) -> None:
    """Writers of one tenant through two stores lose no write: one revision each, in the order of the feed."""
    await store.write({"acme": changes_between(None, TenantFacts("acme"))}, expected={"acme": 0}, actor="platform")
    names = [f"m{n}" for n in range(16)]

    conflicts = await asyncio.gather(
        *(add_member(which, name) for which, name in zip([store, other] * 8, names, strict=True))
    )

    assert sum(conflicts) > 0
    assert await store.load("acme") == (TenantFacts("acme", members={n: Member(n) for n in names}), 17)
    told = await other.changes_after(0, limit=100)
    assert [(item.sequence, item.revision) for item in told] == [(n, n) for n in range(1, 18)]


async def test_of_two_that_make_a_tenant_one_wins(store: FactsStore, other: FactsStore) -> None:
    """Two stores that make the same tenant at once: one write stands, the other is a conflict."""
    for n in range(8):
        tenant = f"t{n}"
        attempts = (
            which.write(
                {tenant: changes_between(None, TenantFacts(tenant, pack=pack))}, expected={tenant: 0}, actor="platform"
            )
            for which, pack in ((store, "one"), (other, "two"))
        )

        results = await asyncio.gather(*attempts, return_exceptions=True)

        assert sorted(type(result).__name__ for result in results) == ["RevisionConflict", "dict"]
        winner = "one" if isinstance(results[0], dict) else "two"
        assert await store.load(tenant) == (TenantFacts(tenant, pack=winner), 1)


async def test_reads_beside_writes_see_one_state(store: FactsStore, other: FactsStore) -> None:
    """A resource, its grants and the revision always belong together, however fast they change."""

    def facts(n: int) -> TenantFacts:
        resource = StoredResource("document", "d1", frozenset({f"group:g{n}"}), {"n": n})
        return TenantFacts(
            "acme",
            settings={"n": n},
            resources={resource.ref: resource},
            grants=frozenset({Grant("owner", resource.ref, f"member:m{n}")}),
        )

    async def change() -> None:
        before = None
        for n in range(1, 41):
            changes = changes_between(before, before := facts(n))
            await store.write({"acme": changes}, expected={"acme": n - 1}, actor="platform")

    seen: set[int] = set()
    writing = asyncio.create_task(change())
    while not writing.done():
        resource, grants, revision = await other.load_resource("acme", "document:d1")
        whole = await other.load("acme")
        if resource is not None and whole is not None:
            assert resource == facts(revision).resources[resource.ref]
            assert grants == [Grant("owner", resource.ref, f"member:m{revision}")]
            assert whole == (facts(whole[1]), whole[1])
            seen.add(revision)
    await writing

    assert len(seen) > 2


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.06])
async def test_a_killed_writer_leaves_whole_writes_only(address: str, store: FactsStore, pause: float) -> None:
    """After kill -9 amid a write, each write is there whole or not at all, and none that returned is lost."""
    command = (sys.executable, "-m", "support.endless_writer", address)
    process = await asyncio.create_subprocess_exec(*command, cwd=TESTS, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    begun, done = 0, 0
    while begun < 3:
        word, number = (await process.stdout.readline()).split()
        begun, done = (int(number), done) if word == b"begin" else (begun, int(number))
    await asyncio.sleep(pause)
    os.kill(process.pid, signal.SIGKILL)
    rest = await process.stdout.read()
    await process.wait()
    done += rest.count(b"done")

    facts, revision = await store.load("acme") or pytest.fail("the tenant is gone")
    told = await store.changes_after(0, limit=100_000)
    assert revision >= done
    assert len(facts.members) == len(facts.grants) == revision * 2000
    assert len(told) == await store.head() == 1 + revision * 4000
    reopened = await open_store(address)
    grown = replace(facts, pack="standard")
    assert await reopened.write(
        {"acme": changes_between(facts, grown)}, expected={"acme": revision}, actor="platform"
    ) == {"acme": revision + 1}
    await reopened.close()
