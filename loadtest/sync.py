"""How soon a write takes effect on other sidecars, and how much memory tenants take.

    PYTHONPATH=tests python loadtest/sync.py            about eight minutes
    PYTHONPATH=tests python loadtest/sync.py --quick    fewer samples and smaller tenants

Three `sidegate serve` processes on one PostgreSQL and one Valkey, which this script starts. Another process grants and
revokes through all three at a steady rate; this one grants and revokes on the first sidecar, watches the other two, and
asks each as soon as it reports the change. The lag is from the write's acknowledgement to the answer that reflects it,
so it includes one Check. The processor time of all processes meanwhile is given per write.
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
from support.histories.clients import settle
from support.histories.record import Demand
from support.histories.wire import check_request
from support.histories.world import switches
from support.servers.cli import sidecar
from support.servers.postgres import postgres_server
from support.servers.valkey import valkey_server
from support.waiting import until

RATE = 200
PROBED, LOADED = "probed", tuple(f"load{number}" for number in range(60))
"""The tenant that this process writes to, and those of the other process: a sidecar writes one by one to a tenant."""
HELD = ((1_000, 100), (100, 1_000), (1, 100_000))
"""How many tenants of how many members are held in memory."""
ALL = "+Inf"
"""The name of the bucket that counts all lags: one for each write that took effect."""
HOUR = 3600.0
GROUP = 100


@dataclass(frozen=True)
class Setup:
    """How hints of writes are sent, how many other writes there are a second, and how many samples to take."""

    hints: str
    rate: int
    samples: int


@dataclass(frozen=True)
class Started:
    """A sidecar: its process, its addresses, a channel to it, and whether it has reported a change."""

    pid: int
    address: str
    metrics: str
    channel: grpc.aio.Channel
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def process(self) -> str:
        """Its name."""
        return self.address

    def metrics_now(self) -> Counter[str]:
        """Return how many polls were complete, and how many lags are below each bound of their histogram."""
        with urllib.request.urlopen(self.metrics) as page:
            families = text_string_to_metric_families(page.read().decode())
        found: Counter[str] = Counter()
        for sample in (sample for family in families for sample in family.samples):
            if sample.name == "sidegate_sync_lag_seconds_bucket":
                found[sample.labels["le"]] += sample.value
            elif sample.name == "sidegate_sync_polls_total":
                found["polls"] += sample.value
        return found


async def measure_setups(setups: Sequence[Setup]) -> None:
    """Print a line for each setup, and then the processor time of its writes by process."""
    print(
        "| hints | writes a second | p50, ms | p99, ms | max, ms | p50 / p99 by metric, ms | polls a second | samples |"
    )
    print("|---|-:|-:|-:|-:|-:|-:|-:|", flush=True)
    cost_lines: list[str] = []
    with postgres_server() as postgres, valkey_server() as valkey:
        for number, setup in enumerate(setups):
            await postgres.execute(f"CREATE DATABASE lag{number}")
            stores = ("--database", postgres.address(f"lag{number}"), "--redis", valkey.address)
            cost_lines.append(await measure_setup(setup, stores, servers=(postgres.pid, valkey.pid)))
    print("\nProcessor milliseconds a write:\n")
    print("| hints | writes a second | three sidecars | PostgreSQL | Valkey | clients | together |")
    print("|---|-:|-:|-:|-:|-:|-:|", *cost_lines, sep="\n", flush=True)


async def measure_setup(setup: Setup, stores: Sequence[str], *, servers: Sequence[int]) -> str:
    """Start three sidecars, measure while another process writes through them, and print a line; return another."""
    flags = (*stores, "--hints", setup.hints, "--metrics-address", "127.0.0.1:0", "--log-level", "error")
    async with AsyncExitStack() as stack:
        sidecars = [await started(stack, flags) for _ in range(3)]
        await settle(sidecars[0], [PROBED, *LOADED])
        for other in sidecars[1:]:
            stack.callback(asyncio.create_task(watch(other)).cancel)
        await lags(sidecars, Random(0), 20)
        clients = [os.getpid(), *([await writing(stack, sidecars, setup.rate)] if setup.rate else [])]
        before = measured(sidecars, servers, clients)
        found = sorted(await lags(sidecars, Random(1), setup.samples))
        after = measured(sidecars, servers, clients)
    others, writes = (
        sum(after.metrics[1:], Counter()) - sum(before.metrics[1:], Counter()),
        after.writes - before.writes,
    )
    seconds = after.at - before.at
    by_metric = " / ".join(f"≤ {bucket(others, share):g}" for share in (0.5, 0.99))
    p50, p99 = statistics.median(found), found[int(len(found) * 0.99)]
    print(
        f"| {setup.hints} | {writes / seconds:.0f} | {p50:.1f} | {p99:.1f} | {found[-1]:.1f} | {by_metric} "
        f"| {others['polls'] / seconds / 2:.0f} | {len(found)} |",
        flush=True,
    )
    each = [1000 * (end - start) / writes for start, end in zip(before.spent, after.spent, strict=True)]
    costs = " | ".join(f"{cost:.1f}" for cost in (*each, sum(each)))
    return f"| {setup.hints} | {writes / seconds:.0f} | {costs} |"


async def writing(stack: AsyncExitStack, sidecars: Sequence[Started], rate: int) -> int:
    """Start a process that writes through the sidecars until the stack ends; return its ID once it writes."""
    addresses = ",".join(sidecar.address for sidecar in sidecars)
    command = [sys.executable, __file__, "--write", addresses, "--rate", str(rate)]
    process = await asyncio.create_subprocess_exec(*command)
    stack.callback(process.kill)
    enough = sidecars[1].metrics_now()[ALL] + rate
    await until(lambda: written(sidecars[1], enough))
    return process.pid


@dataclass(frozen=True)
class Measured:
    """The metrics of sidecars at one time, and the seconds of processor time that each group of processes has spent."""

    at: float
    metrics: Sequence[Counter[str]]
    spent: Sequence[float]

    @property
    def writes(self) -> int:
        """How many writes took effect on one of the sidecars."""
        return self.metrics[1][ALL]


def measured(sidecars: Sequence[Started], servers: Sequence[int], clients: Sequence[int]) -> Measured:
    """Measure now."""
    metrics = [sidecar.metrics_now() for sidecar in sidecars]
    spent = (sum(processor(it.pid) for it in sidecars), *map(of_family, servers), sum(map(processor, clients)))
    return Measured(perf_counter(), metrics, spent)


def processor(pid: int, *, ended: bool = False) -> float:
    """Return the seconds of processor time that a process has spent, with those of its ended children."""
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
    """Return whether a number of writes took effect on a sidecar."""
    return sidecar.metrics_now()[ALL] >= writes


async def started(stack: AsyncExitStack, flags: Sequence[str]) -> Started:
    """Start a sidecar that ends with the stack."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    running = stack.enter_context(sidecar(directory, *flags))
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(running.address))
    return Started(
        running.process.pid, running.address, running.announced.partition("metrics  ")[2].split()[0], channel
    )


def bucket(metrics: Counter[str], share: float) -> float:
    """Return the upper bound, in milliseconds, of the first histogram bucket that holds a share of all lags."""
    bounds = sorted((float(name), count) for name, count in metrics.items() if name[0].isdigit() or name == ALL)
    return next(1000 * bound for bound, count in bounds if count >= share * bounds[-1][1])


async def lags(sidecars: Sequence[Started], random: Random, samples: int) -> list[float]:
    """Grant and revoke in turn; return after how many milliseconds each of the other sidecars answered accordingly."""
    here, *others = sidecars
    found: list[float] = []
    for number in range(samples):
        allowed = number % 2 == 0
        for other in others:
            other.changed.clear()
        await turn(here.channel, PROBED, on=allowed)
        began = perf_counter()
        found += await asyncio.gather(*(until_answered(other, began, allowed=allowed) for other in others))
        await asyncio.sleep(random.uniform(0, 0.05))
    return found


async def watch(sidecar: Started) -> None:
    """Note when a sidecar starts to send changes and when it sends one, until cancelled."""
    request = WatchChangesRequest(parent=f"tenants/{PROBED}")
    async for _ in HistoryServiceStub(sidecar.channel).WatchChanges(request):
        sidecar.changed.set()


async def until_answered(sidecar: Started, began: float, *, allowed: bool) -> float:
    """Ask after each change until the answer is `allowed`; return the milliseconds since `began`."""
    request = check_request(PROBED, switches(PROBED)[0].question, Demand())
    while True:
        await sidecar.changed.wait()
        sidecar.changed.clear()
        answer = await AuthorizationServiceStub(sidecar.channel).Check(request, timeout=HOUR)
        if (answer.decision == authz.DECISION_ALLOW) is allowed:
            return (perf_counter() - began) * 1000


async def turn(channel: grpc.aio.Channel, tenant: str, *, on: bool) -> None:
    """Grant or revoke through a sidecar."""
    switch = switches(tenant)[0]
    stub, method, request = (switch.on if on else switch.off).call
    await getattr(stub(channel), method)(request, timeout=HOUR)


async def write(addresses: Sequence[str], rate: int) -> None:
    """Grant and revoke at a steady rate until killed, in a tenant through one sidecar; skip tenants that are busy."""
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
    """Return the calls that grant and revoke, prepared as far as a client can."""
    switch = switches(tenant)[1]
    calls: list[Callable[[], Any]] = []
    for turn in (switch.on, switch.off):
        stub, method, request = turn.call
        calls.append(partial(getattr(stub(channel), method), request, timeout=HOUR))
    return calls


async def of_sizes(sizes: Sequence[tuple[int, int]]) -> None:
    """Print a line for each number of tenants, each measured in its own process."""
    print("\n| tenants | members of each | KiB a tenant | MiB for 100,000 members | all loaded again, s |")
    print("|-:|-:|-:|-:|-:|", flush=True)
    with postgres_server() as postgres:
        for number, (tenants, members) in enumerate(sizes):
            await postgres.execute(f"CREATE DATABASE held{number}")
            address = postgres.address(f"held{number}")
            await fill(address, tenants, members)
            command = [sys.executable, __file__, "--hold", address, "--members", str(members)]
            await asyncio.to_thread(subprocess.run, command, check=True)


async def fill(address: str, tenants: int, members: int) -> None:
    """Write tenants of a number of members."""
    store = await open_store(address)
    for number in range(tenants):
        facts = company(f"t{number}", members)
        await store.write({facts.id: changes_between(None, facts)}, expected={facts.id: 0}, actor="load")
    await store.close()


def company(tenant: str, members: int) -> TenantFacts:
    """Return the facts of a tenant whose members each have a role and belong to a group of a hundred."""
    ids = [f"m{number}" for number in range(members)]
    groups = {f"g{first}": ids[first : first + GROUP] for first in range(0, members, GROUP)}
    return TenantFacts(
        tenant,
        members={id_: Member(id_) for id_ in ids},
        groups={name: Group(name, members=frozenset(f"member:{id_}" for id_ in of)) for name, of in groups.items()},
        grants=frozenset(Grant("member", f"tenant:{tenant}", f"member:{id_}") for id_ in ids),
    )


async def hold(address: str, members: int) -> None:
    """Load every tenant twice; print by how much this process grew, and how long the second load took."""
    settings = GivenSettings(database=address, max_tenants=100_000, hints="off")
    async with bootstrap.deciding(settings) as core:
        tenants = await core.store.tenants()
        before = resident()
        await load(core.snapshots, tenants)
        held = resident() - before
        core.snapshots.invalidate_all()
        began = perf_counter()
        await load(core.snapshots, tenants)
        spent = perf_counter() - began
    a_tenant, of_many = held / len(tenants) / 2**10, held / len(tenants) / members * 100_000 / 2**20
    print(f"| {len(tenants):,} | {members:,} | {a_tenant:,.0f} | {of_many:,.0f} | {spent:,.1f} |", flush=True)


async def load(snapshots: Snapshots, tenants: Sequence[str]) -> None:
    """Load tenants, all together as after a gap in the feed."""
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
        await measure_setups(
            [Setup(hints, rate, samples[hints] // few) for hints in samples for rate in (0, given.rate)]
        )
        await of_sizes([(tenants, max(1, members // few)) for tenants, members in HELD])


if __name__ == "__main__":
    asyncio.run(main())
