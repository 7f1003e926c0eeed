"""How soon a write is in force on other sidecars, and what holding tenants costs.

    PYTHONPATH=tests python loadtest/sync.py            about eight minutes
    PYTHONPATH=tests python loadtest/sync.py --quick    fewer samples and smaller tenants

Three `sidegate serve` processes on one PostgreSQL and one Valkey, which this script starts. Another process writes to
the store at a steady rate; this one turns a grant on the first sidecar and asks the other two until they tell it. The
lag runs from the write's acknowledgement to the answer that reflects it, so the way of one Check is in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from random import Random
from time import perf_counter

import grpc
from prometheus_client.parser import text_string_to_metric_families

from sidegate import bootstrap
from sidegate.authz.v1 import authorization_pb2 as authz
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.config import GivenSettings
from sidegate.membership.snapshot import Snapshots
from sidegate.model import Change, Entity, Grant, Group, Member, TenantFacts
from sidegate_adapters.sql import open_store
from support.changes import changes_between
from support.cli import sidecar
from support.histories.clients import eventually, settle
from support.histories.record import Demand
from support.histories.wire import check_request
from support.histories.world import switches
from support.postgres_server import postgres_server
from support.valkey_server import valkey_server

RATE = 200
PROBED, LOADED = "probed", tuple(f"load{number}" for number in range(40))
"""Whose grant is turned, and whose grants another process turns: one sidecar writes to a tenant one after another."""
HELD = ((1_000, 100), (100, 1_000), (1, 100_000))
"""How many tenants of how many members are held in memory."""
ALL = "+Inf"
"""The name of the bucket that counts all lags: one for each write that is in force."""
HOUR = 3600.0
GROUP = 100


@dataclass(frozen=True)
class Way:
    """How sidecars are told of writes, how many others there are a second, and how often to measure."""

    hints: str
    rate: int
    samples: int


@dataclass(frozen=True)
class Started:
    """A sidecar: where it listens, where it tells its metrics, and a channel to it."""

    address: str
    metrics: str
    channel: grpc.aio.Channel

    @property
    def process(self) -> str:
        """Its name."""
        return self.address

    def told(self) -> Counter[str]:
        """Return how many looks were complete, and how many lags lie below each bound of their histogram."""
        with urllib.request.urlopen(self.metrics) as page:
            families = text_string_to_metric_families(page.read().decode())
        found: Counter[str] = Counter()
        for sample in (sample for family in families for sample in family.samples):
            if sample.name == "sidegate_sync_lag_seconds_bucket":
                found[sample.labels["le"]] += sample.value
            elif sample.name == "sidegate_sync_looks_total":
                found["looks"] += sample.value
        return found


async def of_ways(ways: Sequence[Way]) -> None:
    """Print a line for each way of hinting."""
    print(
        "| hints | writes a second | p50, ms | p99, ms | max, ms | p50 / p99 by metric, ms | looks a second | samples |"
    )
    print("|---|-:|-:|-:|-:|-:|-:|-:|", flush=True)
    with postgres_server() as postgres, valkey_server() as valkey:
        for number, way in enumerate(ways):
            await postgres.execute(f"CREATE DATABASE lag{number}")
            await of_way(way, ("--database", postgres.address(f"lag{number}"), "--redis", valkey.address))


async def of_way(way: Way, stores: Sequence[str]) -> None:
    """Start three sidecars, measure while another process writes through the first, and print a line."""
    flags = (*stores, "--hints", way.hints, "--metrics-address", "127.0.0.1:0", "--log-level", "error")
    async with AsyncExitStack() as stack:
        sidecars = [await started(stack, flags) for _ in range(3)]
        await settle(sidecars[0], [PROBED, *LOADED])
        await lags(sidecars, Random(0), 20)
        if way.rate:
            writer = [sys.executable, __file__, "--write", *stores, "--hints", way.hints, "--rate", str(way.rate)]
            stack.callback((await asyncio.create_subprocess_exec(*writer)).kill)
            enough = sidecars[1].told()[ALL] + way.rate
            await eventually(lambda: written(sidecars[1], enough), "the other process writes", seconds=HOUR)
        before, began = [it.told() for it in sidecars], perf_counter()
        found = sorted(await lags(sidecars, Random(1), way.samples))
        spent, after = perf_counter() - began, [it.told() for it in sidecars]
    moved = [new - old for old, new in zip(before, after, strict=True)]
    others = moved[1] + moved[2]
    by_metric = " / ".join(f"≤ {bucket(others, share):g}" for share in (0.5, 0.99))
    p50, p99 = statistics.median(found), found[int(len(found) * 0.99)]
    print(
        f"| {way.hints} | {moved[1][ALL] / spent:.0f} | {p50:.1f} | {p99:.1f} | {found[-1]:.1f} | {by_metric} "
        f"| {others['looks'] / spent / 2:.0f} | {len(found)} |",
        flush=True,
    )


async def written(sidecar: Started, writes: int) -> bool:
    """Return whether so many writes are in force on a sidecar."""
    return sidecar.told()[ALL] >= writes


async def started(stack: AsyncExitStack, flags: Sequence[str]) -> Started:
    """Start a sidecar that ends with the stack."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    running = stack.enter_context(sidecar(directory, *flags, patience=HOUR))
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(running.address))
    return Started(running.address, running.announced.partition("metrics  ")[2].split()[0], channel)


def bucket(told: Counter[str], share: float) -> float:
    """Return the upper bound, in milliseconds, of the bucket of the lag's histogram that a share of all lies below."""
    bounds = sorted((float(name), count) for name, count in told.items() if name[0].isdigit() or name == ALL)
    return next(1000 * bound for bound, count in bounds if count >= share * bounds[-1][1])


async def lags(sidecars: Sequence[Started], random: Random, samples: int) -> list[float]:
    """Turn a grant so many times; return after how many milliseconds each of the other sidecars told so."""
    here, *others = sidecars
    found: list[float] = []
    for number in range(samples):
        allowed = number % 2 == 0
        await turn(here.channel, PROBED, on=allowed)
        began = perf_counter()
        found += await asyncio.gather(*(until_told(other.channel, began, allowed=allowed) for other in others))
        await asyncio.sleep(random.uniform(0, 0.05))
    return found


async def until_told(channel: grpc.aio.Channel, began: float, *, allowed: bool) -> float:
    """Ask until the answer is this one; return the milliseconds since `began`."""
    request = check_request(PROBED, switches(PROBED)[0].question, Demand())
    while True:
        answer = await AuthorizationServiceStub(channel).Check(request, timeout=HOUR)
        if (answer.decision == authz.DECISION_ALLOW) is allowed:
            return (perf_counter() - began) * 1000


async def turn(channel: grpc.aio.Channel, tenant: str, *, on: bool) -> None:
    """Grant or revoke through a sidecar."""
    switch = switches(tenant)[0]
    stub, method, request = (switch.on if on else switch.off).call
    await getattr(stub(channel), method)(request, timeout=HOUR)


async def write(database: str, redis: str, hints: str, rate: int) -> None:
    """Write to the store at a steady rate until killed, with the hints that a sidecar gives; late ones are left out."""
    settings = GivenSettings(database=database, redis=redis, hints=hints, poll_interval=1.0)
    turns = {tenant: cycle(((None, {}), ({}, None))) for tenant in LOADED}
    busy = set[str]()

    async def one(tenant: str) -> None:
        _, revision = await core.store.entries(tenant, ())
        change = Change(Entity.GRANT, ("viewer", "document:d2", "member:bob"), *next(turns[tenant]))
        await core.store.write({tenant: [change]}, expected={tenant: revision.number}, actor="load")
        busy.discard(tenant)

    async with bootstrap.deciding(settings) as core, asyncio.TaskGroup() as group:
        began = perf_counter()
        for number in count():
            await asyncio.sleep(max(0.0, began + number / rate - perf_counter()))
            tenant = LOADED[number % len(LOADED)]
            if tenant not in busy:
                busy.add(tenant)
                group.create_task(one(tenant))


async def of_sizes(sizes: Sequence[tuple[int, int]]) -> None:
    """Print a line for each number of tenants, each from a process of its own."""
    print("\n| tenants | members of each | KiB a tenant | MiB for 100,000 members | all loaded anew, s |")
    print("|-:|-:|-:|-:|-:|", flush=True)
    with postgres_server() as postgres:
        for number, (tenants, members) in enumerate(sizes):
            await postgres.execute(f"CREATE DATABASE held{number}")
            address = postgres.address(f"held{number}")
            await fill(address, tenants, members)
            command = [sys.executable, __file__, "--hold", address, "--members", str(members)]
            await asyncio.to_thread(subprocess.run, command, check=True)


async def fill(address: str, tenants: int, members: int) -> None:
    """Write tenants of so many members."""
    store = await open_store(address)
    for number in range(tenants):
        facts = company(f"t{number}", members)
        await store.write({facts.id: changes_between(None, facts)}, expected={facts.id: 0}, actor="load")
    await store.close()


def company(tenant: str, members: int) -> TenantFacts:
    """Return the facts of a tenant whose members each have a role and stand in a group of a hundred."""
    ids = [f"m{number}" for number in range(members)]
    groups = {f"g{first}": ids[first : first + GROUP] for first in range(0, members, GROUP)}
    return TenantFacts(
        tenant,
        members={id_: Member(id_) for id_ in ids},
        groups={name: Group(name, members=frozenset(f"member:{id_}" for id_ in of)) for name, of in groups.items()},
        grants=frozenset(Grant("member", f"tenant:{tenant}", f"member:{id_}") for id_ in ids),
    )


async def hold(address: str, members: int) -> None:
    """Load every tenant twice; print by how much this process grew, and how long the second time took."""
    settings = GivenSettings(database=address, max_tenants=100_000, hints="off")
    async with bootstrap.deciding(settings) as core:
        tenants = await core.store.tenants()
        before = resident()
        await touch(core.snapshots, tenants)
        held = resident() - before
        core.snapshots.forget()
        began = perf_counter()
        await touch(core.snapshots, tenants)
        spent = perf_counter() - began
    a_tenant, of_many = held / len(tenants) / 2**10, held / len(tenants) / members * 100_000 / 2**20
    print(f"| {len(tenants):,} | {members:,} | {a_tenant:,.0f} | {of_many:,.0f} | {spent:,.1f} |", flush=True)


async def touch(snapshots: Snapshots, tenants: Sequence[str]) -> None:
    """Load tenants, all of them at once as after a gap in the feed."""
    await asyncio.gather(*map(snapshots.tenant, tenants))


def resident() -> int:
    """Return the bytes of memory that this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def main() -> None:
    """Print the tables, or be one of the processes that they need."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer samples and smaller tenants")
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    for name in ("--database", "--redis", "--hints", "--hold"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--rate", "--members"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        await write(given.database, given.redis, given.hints, given.rate)
    elif given.hold:
        await hold(given.hold, given.members)
    else:
        few = 10 if given.quick else 1
        samples = {"store": 300, "redis": 300, "off": 150}
        await of_ways([Way(hints, rate, samples[hints] // few) for hints in samples for rate in (0, RATE)])
        await of_sizes([(tenants, max(1, members // few)) for tenants, members in HELD])


if __name__ == "__main__":
    asyncio.run(main())
