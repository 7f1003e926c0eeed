"""What every FactsStore keeps when several act at once, or one dies in the middle of a write."""

import asyncio
import signal
import sys
from dataclasses import replace

import pytest

from sidegate.model.facts import Grant, Member, StoredResource, TenantFacts
from sidegate.ports.facts_store import FactsStore
from sidegate_adapters.sql import open_store
from support.facts.changes import changes_between
from support.facts.contending_writer import add_member
from support.facts.revisions import loaded, numbers
from support.paths import ROOT

TESTS = ROOT / "tests"


async def require_counted(store: FactsStore, names: list[str]) -> None:
    """Require that all wrote one after another: each member there and counted, a revision and no gap for each."""
    facts, current = await store.load("acme") or pytest.fail("the tenant is missing")
    revision = current.number
    assert facts == TenantFacts("acme", settings={"count": len(names)}, members={name: Member(name) for name in names})
    recorded = await store.changes_after(0, limit=1000)
    assert [item.sequence for item in recorded] == [*range(1, 2 * len(names) + 2)]
    assert [item.revision for item in recorded] == sorted([1, *range(2, revision + 1), *range(2, revision + 1)])
    assert revision == len(names) + 1


async def test_writers_at_once_end_in_one_right_state(store: FactsStore, other: FactsStore) -> None:
    """Writers of one tenant through two stores lose no write: one revision each, in the order of the feed."""
    await store.write({"acme": changes_between(None, TenantFacts("acme"))}, expected={"acme": 0}, actor="platform")
    names = [f"m{n}" for n in range(16)]

    met = asyncio.Barrier(len(names))
    conflicts = await asyncio.gather(
        *(add_member(which, name, after_read=met.wait) for which, name in zip([store, other] * 8, names, strict=True))
    )

    assert sum(one > 0 for one in conflicts) == len(names) - 1
    await require_counted(other, names)


async def test_processes_at_once_end_in_one_right_state(address: str, store: FactsStore) -> None:
    """Processes that write to one tenant many rounds lose no write: one revision each, in the order of the feed."""
    await store.write({"acme": changes_between(None, TenantFacts("acme"))}, expected={"acme": 0}, actor="platform")
    command = (sys.executable, "-m", "support.facts.contending_writer", address)
    processes = [
        await asyncio.create_subprocess_exec(*command, name, "40", cwd=TESTS, stdout=asyncio.subprocess.PIPE)
        for name in ("a", "b")
    ]

    for process in processes:
        await process.communicate()

    assert [process.returncode for process in processes] == [0, 0]
    await require_counted(store, [f"{name}-{n}" for name in ("a", "b") for n in range(40)])


async def test_what_a_write_depends_on_is_not_there_stays_away(store: FactsStore, other: FactsStore) -> None:
    """Of two writes that each change what the other one counts on, a tenant's absence for one, one is a conflict."""
    for n in range(20):
        old, new = f"old{n}", f"new{n}"
        await store.write({old: changes_between(None, TenantFacts(old))}, expected={old: 0}, actor="platform")
        changes = {
            old: changes_between(TenantFacts(old), TenantFacts(old, pack="standard")),
            new: changes_between(None, TenantFacts(new)),
        }
        expected = {old: 1, new: 0}

        results = await asyncio.gather(
            store.write({old: changes[old]}, expected=expected, actor="platform"),
            other.write({new: changes[new]}, expected=expected, actor="platform"),
            return_exceptions=True,
        )

        assert sorted(type(result).__name__ for result in results) == ["RevisionConflict", "dict"]


async def test_all_who_ask_for_a_secret_get_the_same(store: FactsStore, other: FactsStore) -> None:
    """Stores on one database that ask at the same time, and later, get one secret for a name, unlike any other."""
    for name in ("one", "two", "three"):
        asked = [which.secret(name) for which in (store, other) * 4]

        assert len({await store.secret("zero"), *await asyncio.gather(*asked)}) == 2
        assert len(await other.secret(name)) == 32

    assert len({await store.secret(name) for name in ("one", "two", "three")}) == 3


async def test_of_two_that_make_a_tenant_one_wins(store: FactsStore, other: FactsStore) -> None:
    """Two stores create the same tenant together: one write succeeds, the other is a conflict."""
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
        assert await loaded(store, tenant) == (TenantFacts(tenant, pack=winner), 1)


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
            if n % 10 == 0:
                for _ in range(2):  # the second of two reads begins after this write
                    read.clear()
                    await read.wait()

    seen: set[int] = set()
    read = asyncio.Event()
    writing = asyncio.create_task(change())
    while not writing.done():
        resource, grants, current = await other.load_resource("acme", "document:d1")
        revision = current.number
        whole = await other.load("acme")
        if resource is not None and whole is not None:
            assert resource == facts(revision).resources[resource.ref]
            assert grants == [Grant("owner", resource.ref, f"member:m{revision}")]
            assert whole[0] == facts(whole[1].number)
            seen.add(revision)
        read.set()
    await writing

    assert seen >= {10, 20, 30, 40}


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
async def test_a_killed_writer_leaves_whole_writes_only(address: str, store: FactsStore, share: float) -> None:
    """After kill -9 amid a write, each write is there whole or not at all, and none that returned is lost."""
    command = (sys.executable, "-m", "support.facts.killed_writer", address, str(share))
    process = await asyncio.create_subprocess_exec(*command, cwd=TESTS, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = printed.count(b"done")
    assert done == 2

    facts, current = await store.load("acme") or pytest.fail("the tenant is missing")
    revision = current.number
    recorded = await store.changes_after(0, limit=100_000)
    assert revision >= done
    assert len(facts.members) == len(facts.grants) == revision * 1200
    assert len(recorded) == await store.head() == 1 + revision * 2400
    reopened = await open_store(address)
    grown = replace(facts, pack="standard")
    written = await reopened.write(
        {"acme": changes_between(facts, grown)}, expected={"acme": revision}, actor="platform"
    )
    assert numbers(written) == {"acme": revision + 1}
    await reopened.close()
