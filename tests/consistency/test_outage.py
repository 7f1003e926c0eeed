"""Without the database a sidecar answers from memory until the bound and then refuses; it recovers by itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from random import Random
from time import monotonic

import pytest

from support.histories import nemesis
from support.histories.clients import OWN_BOUND, Client, answered, settle, turned
from support.histories.cluster import BOUND, Cluster, Node
from support.histories.record import Demand, Listing, Mode, Outcome, Part, Question, Read
from support.histories.world import switches
from support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANN = Question("ann", "view", "document:d1")
FROM_MEMORY, FROM_THE_STORE = Demand(), Demand(Mode.FULLY_CONSISTENT)
WAYS = {"stopped": nemesis.database_restarted, "crashed": nemesis.database_crashes, "paused": nemesis.database_paused}


@pytest.mark.parametrize("way", WAYS)
async def test_memory_answers_until_the_bound(servers, client, way):
    """Without a database there are answers until the bound, then none; once it is back, all is as before."""
    await settle(servers.nodes[0], ["warm"])
    for node in servers.nodes:
        # What Redis can answer of a tenant, it answers before the tenant is in memory; this it can't.
        unheard = Question("ann", "view", f"document:{way}-{node.process}")
        await answered(client, "warm", unheard, FROM_THE_STORE, at=node)
    assert all([await allowed(client, node, FROM_THE_STORE) for node in servers.nodes])
    going = monotonic()
    async with WAYS[way](servers, Random(0)):
        down_since = monotonic()
        for reads in await asyncio.gather(
            *(asked_until_past(client, node, down_since + 2 * BOUND) for node in servers.nodes)
        ):
            answered_reads = [read for read in reads if read.answer]
            # Where the database took long to go, memory is old already.
            assert down_since > going + BOUND / 2 or any(read.asked > down_since for read in answered_reads), (
                "memory did not answer"
            )
            assert all(read.asked <= down_since + BOUND for read in answered_reads)
            assert {code(read) for read in reads if not read.answer} == {"UNAVAILABLE"}
        await until(lambda: none_ready(servers))
    await until(servers.ready)
    assert all([await allowed(client, node, FROM_THE_STORE) for node in servers.nodes])


@pytest.mark.parametrize("way", WAYS)
async def test_what_needs_the_database_is_refused_in_time(servers, client, way):
    """A tenant not in memory, an answer of the store itself: UNAVAILABLE in time. How a write ends, nobody knows."""
    cold = f"cold-{way}"
    await settle(servers.nodes[0], ["warm", cold])
    assert await allowed(client, servers.nodes[1], FROM_THE_STORE)
    async with WAYS[way](servers, Random(0)):
        node, switch = servers.nodes[1], switches("warm")[0]
        *codes, write = await asyncio.gather(
            refusal(lambda: client.ask(cold, ANN, FROM_MEMORY, at=node)),
            refusal(lambda: client.ask("warm", ANN, FROM_THE_STORE, at=node)),
            client.turn("warm", switch, switch.on, at=node),
        )
        assert codes == ["UNAVAILABLE"] * 2
        assert write.outcome is Outcome.UNKNOWN
    await until(servers.ready)


@pytest.mark.parametrize("fault", ["cut", "silence"])
@pytest.mark.parametrize("mode", [Mode.AT_LEAST_AS_FRESH, Mode.FULLY_CONSISTENT, Mode.MAX_STALENESS])
async def test_no_demand_is_answered_by_less(servers, client, fault, mode):
    """A sidecar that can't see what a Check or a list demands says so in time, and answers as soon as it can."""
    await settle(servers.nodes[0], ["warm"])
    here, there = servers.nodes[:2]
    assert await allowed(client, there, FROM_THE_STORE)
    switch = switches("warm")[0]
    listing = Listing.of(switch.question, Part.ACTION)
    getattr(there.database, fault)()
    try:
        write = await turned(client, "warm", switch, on=True, at=here)
        demand = Demand(mode, token=write.revision, bound=OWN_BOUND if mode is Mode.MAX_STALENESS else None)
        await asyncio.sleep(demand.bound or 0)
        codes = await asyncio.gather(
            refusal(lambda: client.ask("warm", switch.question, demand, at=there)),
            refusal(lambda: client.ask("warm", listing, demand, at=there)),
        )
        assert codes == ["UNAVAILABLE"] * 2
    finally:
        there.database.mend()
    await until(servers.ready)
    for question in (switch.question, listing):
        assert (await answered(client, "warm", question, demand, at=there)).answer.allowed


async def test_a_paused_sidecar_knows_that_it_is_late(servers, client):
    """After a pause longer than the bound no question is answered from what was known before it."""
    await settle(servers.nodes[0], ["warm"])
    here, there = servers.nodes[:2]
    switch = switches("warm")[0]
    assert (await turned(client, "warm", switch, on=True, at=here)).revision
    await answered(client, "warm", switch.question, FROM_THE_STORE, at=there)
    there.signal(signal.SIGSTOP)
    try:
        revoked = await turned(client, "warm", switch, on=False, at=here)
        await asyncio.sleep(BOUND)
        late = [asyncio.create_task(client.ask("warm", switch.question, FROM_MEMORY, at=there)) for _ in range(20)]
        await asyncio.sleep(0.1)
    finally:
        there.signal(signal.SIGCONT)
    for read in await asyncio.gather(*late):
        assert read.asked > revoked.answered_at + BOUND
        assert read.answer is None or not read.answer.allowed, read
    await until(servers.ready)


def code(read: Read) -> str:
    """Return the status of a call that had no answer."""
    return read.failure.partition(":")[0]


async def refusal(ask: Callable[[], Awaitable[Read]]) -> str:
    """Ask, and return the status of the call; again where the caller's clock was quicker than the server's answer."""
    while code(read := await ask()) == "DEADLINE_EXCEEDED":
        pass
    return code(read)


async def allowed(client: Client, node: Node, demand: Demand) -> bool:
    """Return whether a sidecar lets the owner view a document."""
    return (await answered(client, "warm", ANN, demand, at=node)).answer.allowed


async def asked_until_past(client: Client, node: Node, time: float) -> list[Read]:
    """Ask a sidecar again and again until a time, and then until it refuses."""
    reads = [await client.ask("warm", ANN, FROM_MEMORY, at=node)]
    while reads[-1].asked < time:
        await asyncio.sleep(0.01)
        reads.append(await client.ask("warm", ANN, FROM_MEMORY, at=node))
    return reads


async def none_ready(servers: Cluster) -> bool:
    """Return whether no sidecar says that it serves."""
    return not any([await node.ready() for node in servers.nodes])
