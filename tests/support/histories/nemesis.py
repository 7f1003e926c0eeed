"""What goes wrong while clients write and read, one fault after another, each of them healed again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import cycle, islice
from random import Random
from time import monotonic
from typing import TypeAlias

from support.histories.cluster import BOUND, DATABASE, Cluster
from support.servers.faulty_link import FaultyLink
from support.servers.postgres import PostgresServer
from support.servers.valkey import ValkeyServer

Fault: TypeAlias = Callable[[Cluster, Random], AbstractAsyncContextManager[None]]
Schedule: TypeAlias = list[tuple[float, str]]


@asynccontextmanager
async def _between(begin: Callable[[], Awaitable[object]], end: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Let a fault begin, and end however its context ends."""
    await begin()
    try:
        yield
    finally:
        await end()


@asynccontextmanager
async def _paused(server: PostgresServer | ValkeyServer) -> AsyncIterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()


@asynccontextmanager
async def _links(links: Sequence[FaultyLink], fault: Callable[[FaultyLink], None]) -> AsyncIterator[None]:
    """Let links have a fault, and mend them."""
    for link in links:
        fault(link)
    try:
        yield
    finally:
        for link in links:
            link.mend()


def database_restarted(cluster: Cluster, _: Random) -> AbstractAsyncContextManager[None]:
    """PostgreSQL is stopped as an administrator would, and started again."""
    postgres = cluster.postgres
    return _between(partial(asyncio.to_thread, postgres.stop), partial(asyncio.to_thread, postgres.start))


def database_crashes(cluster: Cluster, _: Random) -> AbstractAsyncContextManager[None]:
    """PostgreSQL ends in the middle of what it does, and recovers when it is started."""
    postgres = cluster.postgres
    return _between(
        partial(asyncio.to_thread, postgres.stop, signal.SIGQUIT), partial(asyncio.to_thread, postgres.start)
    )


def database_paused(cluster: Cluster, _: Random) -> AbstractAsyncContextManager[None]:
    """PostgreSQL does nothing, its connections open."""
    return _paused(cluster.postgres)


def connections_ended(cluster: Cluster, _: Random) -> AbstractAsyncContextManager[None]:
    """PostgreSQL ends all connections, twice."""
    ending = partial(
        cluster.postgres.execute,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'",
    )
    return _between(ending, ending)


def database_slow(cluster: Cluster, _: Random) -> AbstractAsyncContextManager[None]:
    """Each message between the sidecars and PostgreSQL takes a while."""
    return _links([node.database for node in cluster.nodes], lambda link: link.slow(0.05))


def one_disconnected(cluster: Cluster, random: Random) -> AbstractAsyncContextManager[None]:
    """One sidecar can't reach PostgreSQL, the others can."""
    return _links([random.choice(cluster.nodes).database], FaultyLink.cut)


def one_link_silent(cluster: Cluster, random: Random) -> AbstractAsyncContextManager[None]:
    """What one sidecar sends to PostgreSQL and back is held up, the others' is not."""
    return _links([random.choice(cluster.nodes).database], FaultyLink.silence)


def one_answered_late(cluster: Cluster, random: Random) -> AbstractAsyncContextManager[None]:
    """What PostgreSQL answers one sidecar arrives when it is old."""
    return _links([random.choice(cluster.nodes).database], FaultyLink.hold_answers)


@asynccontextmanager
async def one_paused(cluster: Cluster, random: Random) -> AsyncIterator[None]:
    """One sidecar does nothing for a while, as a machine that is moved does."""
    node = random.choice(cluster.nodes)
    node.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        node.signal(signal.SIGCONT)


def one_killed(cluster: Cluster, random: Random) -> AbstractAsyncContextManager[None]:
    """One sidecar is lost, and started again with nothing in memory."""
    node = random.choice(cluster.nodes)
    return _between(partial(node.stop, signal.SIGKILL), node.start)


def redis_lost(cluster: Cluster, _: Random) -> AbstractAsyncContextManager[None]:
    """Redis is killed, and starts again empty."""
    valkey = cluster.valkey
    return _between(partial(asyncio.to_thread, valkey.kill), partial(asyncio.to_thread, valkey.start))


def redis_paused(cluster: Cluster, _: Random) -> AbstractAsyncContextManager[None]:
    """Redis does nothing, its connections open."""
    return _paused(cluster.valkey)


def redis_slow(cluster: Cluster, _: Random) -> AbstractAsyncContextManager[None]:
    """Each message between the sidecars and Redis takes longer than a request may spend on it."""
    return _links([node.redis for node in cluster.nodes], lambda link: link.slow(0.03))


@asynccontextmanager
async def hints_dropped(cluster: Cluster, _: Random) -> AsyncIterator[None]:
    """No hint arrives: listeners at PostgreSQL are disconnected, and what passes to and from Redis is held up."""
    async with _links([node.redis for node in cluster.nodes], FaultyLink.silence):
        await cluster.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'listen %'"
        )
        yield


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
        one_disconnected,
        one_link_silent,
        one_answered_late,
        one_paused,
        one_killed,
        calm,
    ),
)
"""Of each kind one goes wrong at a time, beside one of the other; what needs the database to go wrong comes first."""


async def harm(
    cluster: Cluster,
    random: Random,
    kinds: Sequence[Sequence[Fault]],
    *,
    seconds: float,
    enough: Callable[[], bool] = lambda: True,
) -> Schedule:
    """Inject every fault at least once, in random order, for this long and until it is enough; return what was when."""
    schedule: Schedule = []
    ends = monotonic() + seconds
    while not schedule or monotonic() < ends or not enough():
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
