"""The store at size: what a step, a page and a first use take with more and more companies, on both databases.

    PYTHONPATH=tests python loadtest/store.py                    both, up to a million members and five million grants
    PYTHONPATH=tests python loadtest/store.py --store sqlite     one of them
    PYTHONPATH=tests python loadtest/store.py --quick            a thousand members

All three sizes are filled first and then asked in turn, so that other load on the machine affects all of them.
PostgreSQL is one that the script starts itself. Takes up to 8 GB in the temporary directory while it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from time import perf_counter_ns

from sidegate import bootstrap
from sidegate.bootstrap import Core
from sidegate.config.settings import GivenSettings
from sidegate.membership.command.call import Call
from sidegate.membership.command.context_factory import ContextFactory
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.run import CommandRunner
from sidegate.membership.grants import Grants
from sidegate.model.change import ChangeQuery, EntryKind
from sidegate.model.facts import Grant, MemberStatus
from sidegate.model.page import MemberQuery
from sidegate_adapters.sql import SqlFactsStore
from support.facts.changes import changes_between
from support.facts.filled_store import GRANTS, MEMBERS, analyze, company, fill, member_id, tenant_id
from support.servers.postgres import PostgresServer, postgres_server

SMALL, LARGE = "acme", tenant_id(0)
DEEP = member_id(8_000)
PAGE = 51
# The server of the tests syncs nothing to disk; this one does, as in production.
SERVER = {"shared_buffers": "256MB", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass(frozen=True)
class Sizes:
    """How many members there are in all, at each size; how many the large company has, and how often all is asked."""

    totals: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    large: int = 10_000
    times: int = 40


QUICK = Sizes(totals=(500, 1_000), large=300, times=2)


@dataclass(frozen=True)
class Filled:
    """One database of some size, and the use cases on it."""

    core: Core
    grants: Grants

    @property
    def store(self) -> SqlFactsStore:
        """The store itself."""
        return self.core.store


def questions(there: Filled) -> dict[str, tuple[Callable[[], Awaitable[object]], int]]:
    """Return what is asked, and one in how many rounds."""
    store = there.store
    asked: dict[str, tuple[Callable[[], Awaitable[object]], int]] = {
        "one write, through the store": (_written(store), 1),
        "one command: grant or revoke": (_commanded(there), 1),
    }
    for name, query in {
        "": MemberQuery(),
        " by status": MemberQuery(status=MemberStatus.PENDING),
        " by role": MemberQuery(role="admin"),
        " by group": MemberQuery(group="g1000003"),
        " by text, found often": MemberQuery(text="person"),
    }.items():
        for page, after in (("first page", ""), ("deep page", DEEP)):
            asked[f"members{name}, {page}"] = (_page(store, query, after), 1)
    del asked["members by group, deep page"]
    asked["members by text, found nowhere"] = (_page(store, MemberQuery(text="nobody"), ""), 4)
    for name, query in {
        "of the company": ChangeQuery(),
        "of a member": ChangeQuery((f"member:{member_id(50)}",)),
        "by kind": ChangeQuery(entity=EntryKind.MEMBER),
    }.items():
        asked[f"history {name}, a page"] = (lambda query=query: store.history(LARGE, query, after=0, limit=PAGE), 1)
    core = frozenset({"tenant", "template", "group"})
    asked["first use of 100 members"] = (lambda: store.load_core(SMALL, core), 1)
    asked["first use of the large company"] = (lambda: store.load_core(LARGE, core), 10)
    return asked


def _page(store: SqlFactsStore, query: MemberQuery, after: str) -> Callable[[], Awaitable[object]]:
    return lambda: store.members(LARGE, query, after=after, limit=PAGE)


def _written(store: SqlFactsStore) -> Callable[[], Awaitable[object]]:
    facts = company(SMALL, MEMBERS)
    member = facts.members[member_id(7)]
    seen = changes_between(facts, replace(facts, members={**facts.members, member.id: replace(member, mfa=True)}))

    async def write() -> None:
        _, revision = await store.seats(SMALL)
        await store.write({SMALL: seen}, expected={SMALL: revision.number}, actor="platform")

    return write


def _commanded(there: Filled) -> Callable[[], Awaitable[object]]:
    held = Grant("viewer", "document:d1000005", f"member:{member_id(20)}")
    call = Call(actor=f"member:{member_id(5)}")
    doing = cycle((there.grants.grant, there.grants.revoke))
    return lambda: next(doing)(LARGE, held, call)


@asynccontextmanager
async def filled(address: str, total: int, sizes: Sizes) -> AsyncIterator[Filled]:
    """Fill a database, and yield the use cases on it."""
    async with bootstrap.deciding(GivenSettings(database=address, listen=("127.0.0.1:0",))) as core:
        store = core.store
        began = perf_counter_ns()
        companies = total // MEMBERS

        def report(made: int) -> None:
            if made % 500 and made < companies:
                return
            seconds = (perf_counter_ns() - began) / 1e9
            print(f"  {made:,} of {companies:,} companies, {seconds:.0f} s", file=sys.stderr, flush=True)

        await fill(store, 0, 1, members=sizes.large)
        await fill(store, 1, companies + 1, progress=report)
        await store.write({SMALL: changes_between(None, company(SMALL, MEMBERS))}, expected={}, actor="platform")
        if address.startswith("postgresql"):
            await analyze(store)
        contexts = ContextFactory(store, core.decider, lambda name: core.packs.get(name).pack.schema)
        commands = CommandRunner(contexts, core.follower)
        yield Filled(core, Grants(commands, ReadRunner(contexts, core.follower)))


async def measure(name: str, addresses: dict[int, str], sizes: Sizes) -> None:
    """Fill a database of each size, ask all of them in turn, and print the lines of one store."""
    async with AsyncExitStack() as stack:
        there = {}
        for total, address in addresses.items():
            print(f"{name}: {total:,} members", file=sys.stderr, flush=True)
            there[total] = questions(await stack.enter_async_context(filled(address, total, sizes)))
        spent: dict[tuple[str, int], list[float]] = {}
        for turn in range(-1, sizes.times):
            for what in there[min(there)]:
                for total, asked in there.items():
                    ask, one_in = asked[what]
                    if turn % one_in:
                        continue
                    began = perf_counter_ns()
                    await ask()
                    if turn >= 0:
                        spent.setdefault((what, total), []).append((perf_counter_ns() - began) / 1e6)
    smallest, *larger = addresses
    for what in dict.fromkeys(what for what, _ in spent):
        base = statistics.median(spent[what, smallest])
        pairs = ([a / b for a, b in zip(spent[what, n], spent[what, smallest], strict=True)] for n in larger)
        ratios = " | ".join(f"{statistics.median(pair):.2f}" for pair in pairs)
        print(f"| {name} | {what} | {base:,.1f} | {ratios} |", flush=True)


async def on_sqlite(sizes: Sizes) -> None:
    """Measure SQLite, in files that are deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="sidegate-store-") as directory:
        addresses = {total: f"sqlite:///{Path(directory) / str(total)}.db" for total in sizes.totals}
        await measure("SQLite", addresses, sizes)


async def on_postgresql(server: PostgresServer, sizes: Sizes) -> None:
    """Measure PostgreSQL, in databases that are dropped afterwards."""
    for name, value in SERVER.items():
        await server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    async with AsyncExitStack() as stack:
        addresses = {total: await stack.enter_async_context(server.database()) for total in sizes.totals}
        await measure("PostgreSQL", addresses, sizes)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), help="one store only")
    parser.add_argument("--quick", action="store_true", help="a thousand members, to see that it runs")
    given = parser.parse_args()
    sizes = QUICK if given.quick else Sizes()
    smallest, *larger = sizes.totals
    ratios = " | ".join(f"of {total:,}" for total in larger)
    print(f"| store | what | ms, of {smallest:,} members | {ratios} |\n|-|-|-:|{'-:|' * len(larger)}", flush=True)
    if given.store != "postgresql":
        asyncio.run(on_sqlite(sizes))
    if given.store != "sqlite":
        with postgres_server() as server:
            asyncio.run(on_postgresql(server, sizes))
    print(f"\nEach company has {MEMBERS} members and {GRANTS} grants for each; one has {sizes.large:,}.")


if __name__ == "__main__":
    main()
