"""What goes wrong while clients write and read, one fault after another, each of them healed again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import cycle, islice
from random import Random
from time import monotonic
from typing import TypeAlias

from support.histories.cluster import BOUND, DATABASE, Cluster

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
    """PostgreSQL is paused, with its connections open."""
    cluster.postgres.pause()
    try:
        yield
    finally:
        cluster.postgres.resume()


@asynccontextmanager
async def connections_ended(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """PostgreSQL ends all connections."""
    ending = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'"
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
async def one_hears_late(cluster: Cluster, random: Random) -> AsyncIterator[None]:
    """What PostgreSQL answers one sidecar arrives when it is old."""
    node = random.choice(cluster.nodes)
    node.database.hold_answers()
    try:
        yield
    finally:
        node.database.mend()


@asynccontextmanager
async def one_paused(cluster: Cluster, random: Random) -> AsyncIterator[None]:
    """One sidecar is paused, as on a virtual machine that is migrated."""
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
async def redis_lost(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """Redis is killed, and starts again empty."""
    await asyncio.to_thread(cluster.valkey.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(cluster.valkey.start)


@asynccontextmanager
async def redis_paused(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """Redis is paused, with its connections open."""
    cluster.valkey.pause()
    try:
        yield
    finally:
        cluster.valkey.resume()


@asynccontextmanager
async def redis_slow(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """Each message between the sidecars and Redis takes longer than a request may spend on it."""
    for node in cluster.nodes:
        node.redis.slow(0.03)
    try:
        yield
    finally:
        for node in cluster.nodes:
            node.redis.mend()


@asynccontextmanager
async def hints_dropped(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """No hint arrives: who listens at PostgreSQL is sent away, and what passes to and from Redis is held up."""
    for node in cluster.nodes:
        node.redis.silence()
    await cluster.postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'listen %'"
    )
    try:
        yield
    finally:
        for node in cluster.nodes:
            node.redis.mend()


@asynccontextmanager
async def calm(_cluster: Cluster, _random: Random) -> AsyncIterator[None]:
    """Nothing goes wrong."""
    yield


FAULTS: Sequence[Sequence[Fault]] = (
    (redis_lost, redis_paused, redis_slow, hints_dropped, calm),
    (
        database_restarted,
        database_crashes,
        database_paused,
        connections_ended,
        database_slow,
        one_cut_off,
        one_in_the_dark,
        one_hears_late,
        one_paused,
        one_killed,
        calm,
    ),
)
"""Of each kind one goes wrong at a time, beside one of the other; what needs the database to go wrong comes first."""


async def harm(cluster: Cluster, random: Random, kinds: Sequence[Sequence[Fault]], *, seconds: float) -> Schedule:
    """Inflict every fault at least once, in an order of chance, as long as there is time; return what was when."""
    schedule: Schedule = []
    ends = monotonic() + seconds
    while not schedule or monotonic() < ends:
        for together in _rounds(kinds, random):
            names = " and ".join(fault.__name__ for fault in together)
            async with AsyncExitStack() as stack:
                for fault in together:
                    await stack.enter_async_context(fault(cluster, random))
                schedule.append((monotonic(), f"begins: {names}"))
                # Long enough to pass the bound.
                await asyncio.sleep(BOUND * random.uniform(1.0, 2.2))
            schedule.append((monotonic(), f"over: {names}"))
            await asyncio.sleep(random.uniform(0.4, 0.8))
    return schedule


def _rounds(kinds: Sequence[Sequence[Fault]], random: Random) -> Iterator[tuple[Fault, ...]]:
    """Yield one fault of each kind, shuffled, until each of every kind has come."""
    longest = max(map(len, kinds))
    return zip(*(islice(cycle(random.sample(kind, len(kind))), longest) for kind in kinds), strict=True)
