"""What goes wrong while clients write and read, one fault after another, each of them healed again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from time import monotonic
from typing import TypeAlias

from support.histories.cluster import BOUND, Cluster

Fault: TypeAlias = Callable[[Cluster, Random], AbstractAsyncContextManager[None]]
Schedule: TypeAlias = list[tuple[float, str]]


@asynccontextmanager
async def database_restarted(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """PostgreSQL is stopped as an administrator would, and started again."""
    await asyncio.to_thread(cluster.postgres.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(cluster.postgres.start)


@asynccontextmanager
async def database_crashes(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """PostgreSQL ends in the middle of what it does, and recovers when it is started."""
    await asyncio.to_thread(cluster.postgres.stop, signal.SIGQUIT)
    try:
        yield
    finally:
        await asyncio.to_thread(cluster.postgres.start)


@asynccontextmanager
async def database_paused(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """PostgreSQL stands still, its connections open."""
    cluster.postgres.pause()
    try:
        yield
    finally:
        cluster.postgres.resume()


@asynccontextmanager
async def connections_ended(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """PostgreSQL ends all connections."""
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'histories'"
    await cluster.postgres.execute(ending)
    try:
        yield
    finally:
        await cluster.postgres.execute(ending)


@asynccontextmanager
async def database_slow(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """Each message between the sidecars and PostgreSQL takes a while."""
    for node in cluster.nodes:
        node.database.slow(0.05)
    try:
        yield
    finally:
        for node in cluster.nodes:
            node.database.mend()


@asynccontextmanager
async def one_cut_off(cluster: Cluster, random: Random) -> AsyncIterator[None]:
    """One sidecar can't reach PostgreSQL, the others can."""
    node = random.choice(cluster.nodes)
    node.database.cut()
    try:
        yield
    finally:
        node.database.mend()


@asynccontextmanager
async def one_in_the_dark(cluster: Cluster, random: Random) -> AsyncIterator[None]:
    """What one sidecar sends to PostgreSQL and back is held up, the others' is not."""
    node = random.choice(cluster.nodes)
    node.database.silence()
    try:
        yield
    finally:
        node.database.mend()


@asynccontextmanager
async def one_paused(cluster: Cluster, random: Random) -> AsyncIterator[None]:
    """One sidecar stands still, as a machine that is moved does."""
    node = random.choice(cluster.nodes)
    node.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        node.signal(signal.SIGCONT)


@asynccontextmanager
async def one_killed(cluster: Cluster, random: Random) -> AsyncIterator[None]:
    """One sidecar is lost, and started again with nothing in memory."""
    node = random.choice(cluster.nodes)
    await node.stop(signal.SIGKILL)
    try:
        yield
    finally:
        await node.start()


@asynccontextmanager
async def calm(_cluster: Cluster, _random: Random) -> AsyncIterator[None]:
    """Nothing goes wrong."""
    yield


FAULTS: Sequence[Fault] = (
    database_restarted,
    database_crashes,
    database_paused,
    connections_ended,
    database_slow,
    one_cut_off,
    one_in_the_dark,
    one_paused,
    one_killed,
)


async def harm(cluster: Cluster, random: Random, faults: Sequence[Fault], *, seconds: float) -> Schedule:
    """Inflict every fault once, in an order of chance, and again as long as there is time; return what was when."""
    schedule: Schedule = []
    ends = monotonic() + seconds
    while not schedule or monotonic() < ends:
        for fault in random.sample(faults, len(faults)):
            # Long enough to pass the bound, short enough that what waits for it is still there.
            async with fault(cluster, random):
                schedule.append((monotonic(), f"{fault.__name__} begins"))
                await asyncio.sleep(BOUND * random.uniform(0.8, 1.6))
            schedule.append((monotonic(), f"{fault.__name__} is over"))
            await asyncio.sleep(random.uniform(0.5, 1.0))
    return schedule
