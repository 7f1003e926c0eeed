"""How soon a write is in force on other sidecars, and what holding tenants costs.

    PYTHONPATH=tests python loadtest/sync.py            about eight minutes
    PYTHONPATH=tests python loadtest/sync.py --quick    fewer samples and smaller tenants

Three `sidegate serve` processes on one PostgreSQL and one Valkey, which this script starts. Another process grants and
revokes through all three at a steady rate; this one turns a grant on the first sidecar, watches the other two, and asks
each as soon as it tells of the change. The lag runs from the write's acknowledgement to the answer that reflects it, so
the way of one Check is in it. What all processes spent meanwhile is told by write.
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
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count, cycle
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import grpc
from prometheus_client.parser import text_string_to_metric_families

from sidegate import bootstrap
from sidegate.authz.v1 import authorization_pb2 as authz
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.history_pb2 import WatchChangesRequest
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from sidegate.config.settings import GivenSettings
from sidegate.model.facts import Grant, Group, Member, TenantFacts
from sidegate.replica.snapshots import Snapshots
from sidegate_adapters.sql import open_store
from support.facts.changes import changes_between
from support.histories.clients import eventually, settle
from support.histories.record import Demand
from support.histories.wire import check_request
from support.histories.world import switches
from support.servers.cli import sidecar
from support.servers.postgres import postgres_server
from support.servers.valkey import valkey_server

RATE = 200
PROBED, LOADED = "probed", tuple(f"load{number}" for number in range(60))
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
    """A sidecar: its process, where it listens and tells its metrics, a channel to it, and whether it told of news."""

    pid: int
    address: str
    metrics: str
    channel: grpc.aio.Channel
    told_of: asyncio.Event = field(default_factory=asyncio.Event)

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
    """Print a line for each way of hinting, and then by which processes its writes were paid for."""
    print(
        "| hints | writes a second | p50, ms | p99, ms | max, ms | p50 / p99 by metric, ms | looks a second | samples |"
    )
    print("|---|-:|-:|-:|-:|-:|-:|-:|", flush=True)
    paid: list[str] = []
    with postgres_server() as postgres, valkey_server() as valkey:
        for number, way in enumerate(ways):
            await postgres.execute(f"CREATE DATABASE lag{number}")
            stores = ("--database", postgres.address(f"lag{number}"), "--redis", valkey.address)
            paid.append(await of_way(way, stores, servers=(postgres.pid, valkey.pid)))
    print("\nProcessor milliseconds a write:\n")
    print("| hints | writes a second | three sidecars | PostgreSQL | Valkey | clients | together |")
    print("|---|-:|-:|-:|-:|-:|-:|", *paid, sep="\n", flush=True)


async def of_way(way: Way, stores: Sequence[str], *, servers: Sequence[int]) -> str:
    """Start three sidecars, measure while another process writes through them, and print a line; return another."""
    flags = (*stores, "--hints", way.hints, "--metrics-address", "127.0.0.1:0", "--log-level", "error")
    async with AsyncExitStack() as stack:
        sidecars = [await started(stack, flags) for _ in range(3)]
        await settle(sidecars[0], [PROBED, *LOADED])
        for other in sidecars[1:]:
            stack.callback(asyncio.create_task(watch(other)).cancel)
        await lags(sidecars, Random(0), 20)
        clients = [os.getpid(), *([await writing(stack, sidecars, way.rate)] if way.rate else [])]
        before = measured(sidecars, servers, clients)
        found = sorted(await lags(sidecars, Random(1), way.samples))
        after = measured(sidecars, servers, clients)
    others, writes = sum(after.told[1:], Counter()) - sum(before.told[1:], Counter()), after.writes - before.writes
    seconds = after.at - before.at
    by_metric = " / ".join(f"≤ {bucket(others, share):g}" for share in (0.5, 0.99))
    p50, p99 = statistics.median(found), found[int(len(found) * 0.99)]
    print(
        f"| {way.hints} | {writes / seconds:.0f} | {p50:.1f} | {p99:.1f} | {found[-1]:.1f} | {by_metric} "
        f"| {others['looks'] / seconds / 2:.0f} | {len(found)} |",
        flush=True,
    )
    each = [1000 * (end - start) / writes for start, end in zip(before.spent, after.spent, strict=True)]
    costs = " | ".join(f"{cost:.1f}" for cost in (*each, sum(each)))
    return f"| {way.hints} | {writes / seconds:.0f} | {costs} |"


async def writing(stack: AsyncExitStack, sidecars: Sequence[Started], rate: int) -> int:
    """Start a process that writes through the sidecars until the stack ends; return its number once it does."""
    addresses = ",".join(sidecar.address for sidecar in sidecars)
    command = [sys.executable, __file__, "--write", addresses, "--rate", str(rate)]
    process = await asyncio.create_subprocess_exec(*command)
    stack.callback(process.kill)
    enough = sidecars[1].told()[ALL] + rate
    await eventually(lambda: written(sidecars[1], enough), "the other process writes", seconds=HOUR)
    return process.pid


@dataclass(frozen=True)
class Measured:
    """What sidecars have told by a moment, and the seconds of processor time that each group of processes has spent."""

    at: float
    told: Sequence[Counter[str]]
    spent: Sequence[float]

    @property
    def writes(self) -> int:
        """How many writes are in force on one of the sidecars."""
        return self.told[1][ALL]


def measured(sidecars: Sequence[Started], servers: Sequence[int], clients: Sequence[int]) -> Measured:
    """Measure what can be told now."""
    told = [sidecar.told() for sidecar in sidecars]
    spent = (sum(processor(it.pid) for it in sidecars), *map(of_family, servers), sum(map(processor, clients)))
    return Measured(perf_counter(), told, spent)


def processor(pid: int, *, ended: bool = False) -> float:
    """Return the seconds of processor time that a process has spent, with those of what it started and has ended."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11 : 15 if ended else 13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def of_family(pid: int) -> float:
    """Return the seconds of processor time that a process and all that it started have spent."""
    spent = processor(pid, ended=True)
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError):  # it has just ended
            spent += processor(int(child))
    return spent


async def written(sidecar: Started, writes: int) -> bool:
    """Return whether so many writes are in force on a sidecar."""
    return sidecar.told()[ALL] >= writes


async def started(stack: AsyncExitStack, flags: Sequence[str]) -> Started:
    """Start a sidecar that ends with the stack."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    running = stack.enter_context(sidecar(directory, *flags, patience=HOUR))
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(running.address))
    return Started(
        running.process.pid, running.address, running.announced.partition("metrics  ")[2].split()[0], channel
    )


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
        for other in others:
            other.told_of.clear()
        await turn(here.channel, PROBED, on=allowed)
        began = perf_counter()
        found += await asyncio.gather(*(until_told(other, began, allowed=allowed) for other in others))
        await asyncio.sleep(random.uniform(0, 0.05))
    return found


async def watch(sidecar: Started) -> None:
    """Note whenever a sidecar begins to tell of changes or tells of one, until cancelled."""
    request = WatchChangesRequest(parent=f"tenants/{PROBED}")
    async for _ in HistoryServiceStub(sidecar.channel).WatchChanges(request):
        sidecar.told_of.set()


async def until_told(sidecar: Started, began: float, *, allowed: bool) -> float:
    """Ask whenever there is something new until the answer is this one; return the milliseconds since `began`."""
    request = check_request(PROBED, switches(PROBED)[0].question, Demand())
    while True:
        await sidecar.told_of.wait()
        sidecar.told_of.clear()
        answer = await AuthorizationServiceStub(sidecar.channel).Check(request, timeout=HOUR)
        if (answer.decision == authz.DECISION_ALLOW) is allowed:
            return (perf_counter() - began) * 1000


async def turn(channel: grpc.aio.Channel, tenant: str, *, on: bool) -> None:
    """Grant or revoke through a sidecar."""
    switch = switches(tenant)[0]
    stub, method, request = (switch.on if on else switch.off).call
    await getattr(stub(channel), method)(request, timeout=HOUR)


async def write(addresses: Sequence[str], rate: int) -> None:
    """Grant and revoke at a steady rate until killed, each tenant's through one sidecar; late ones are left out."""
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(grpc.aio.insecure_channel(address)) for address in addresses]
        turns = {tenant: cycle(prepared(channel, tenant)) for tenant, channel in zip(LOADED, cycle(channels))}
        busy = set[str]()

        async def one(tenant: str) -> None:
            await next(turns[tenant])()
            busy.discard(tenant)

        async with asyncio.TaskGroup() as group:
            began = perf_counter()
            for number in count():
                await asyncio.sleep(max(0.0, began + number / rate - perf_counter()))
                tenant = LOADED[number % len(LOADED)]
                if tenant not in busy:
                    busy.add(tenant)
                    group.create_task(one(tenant))


def prepared(channel: grpc.aio.Channel, tenant: str) -> list[Callable[[], Any]]:
    """Return the calls that turn a grant on and off, with all done that a client can do once."""
    switch = switches(tenant)[1]
    calls: list[Callable[[], Any]] = []
    for turn in (switch.on, switch.off):
        stub, method, request = turn.call
        calls.append(partial(getattr(stub(channel), method), request, timeout=HOUR))
    return calls


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
        core.snapshots.invalidate_all()
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
    parser.add_argument("--rate", type=int, default=RATE, help=f"writes a second that are asked for ({RATE})")
    for name in ("--write", "--hold"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--members", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        await write(given.write.split(","), given.rate)
    elif given.hold:
        await hold(given.hold, given.members)
    else:
        few = 10 if given.quick else 1
        samples = {"store": 300, "redis": 300, "off": 150}
        await of_ways([Way(hints, rate, samples[hints] // few) for hints in samples for rate in (0, given.rate)])
        await of_sizes([(tenants, max(1, members // few)) for tenants, members in HELD])


if __name__ == "__main__":
    asyncio.run(main())
