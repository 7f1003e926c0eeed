"""One run: clients and faults side by side, then peace, and the history of it all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from support.histories.claims import Broken, broken_claims
from support.histories.clients import (
    Client,
    Notes,
    answered,
    read_memory_until_cancelled,
    read_timeline,
    read_until_cancelled,
    settle,
    write_until_cancelled,
)
from support.histories.cluster import BOUND, Cluster, Node
from support.histories.evidence import History
from support.histories.nemesis import Fault, Schedule, harm
from support.histories.record import Answer, Demand, Listing, Mode, Operation, Page, Question
from support.histories.truth import Rules
from support.histories.world import TENANTS, questions
from support.waiting import until

Work: TypeAlias = Callable[[Client, Sequence[str]], Awaitable[None]]
READERS = 6


@dataclass(frozen=True)
class Run:
    """A finished run: its seed, what went wrong when, and what was recorded; in the end all answered alike."""

    seed: int
    schedule: Schedule
    history: History

    def broken(self) -> list[Broken]:
        """Return the claims that do not hold."""
        return broken_claims(self.history)

    def report(self, broken: Sequence[Broken]) -> str:
        """Return what a reader needs to follow the first faults found: the seed, the faults, the operations around."""
        lines = [f"SIDEGATE_HISTORY_SEED={self.seed}", *(f"{at:.3f} {what}" for at, what in self.schedule)]
        for one in broken[:5]:
            lines += ["", f"{one.claim}: {one.detail}", f"  {one.operation}"]
        return "\n".join(lines)


async def run(
    cluster: Cluster,
    truths: Mapping[str, Rules],
    faults: Sequence[Sequence[Fault]],
    *,
    seed: int,
    seconds: float,
    enough: Callable[[Sequence[Operation]], bool] = lambda _: True,
) -> Run:
    """Let clients write and read while one fault follows another; then wait until all sidecars answer alike.

    The faults are injected again until what was recorded is `enough`, however slow the machine is.
    """
    random, notes = Random(seed), Notes()
    settled = await settle(cluster.nodes[0], TENANTS)
    clients = [
        asyncio.create_task(work(Client(name, sidecars, notes, Random(random.random())), TENANTS))
        for name, work, sidecars in _clients(cluster)
    ]
    try:
        schedule = await harm(
            cluster, random, faults, seconds=seconds, enough=lambda: enough(notes.operations) or _any_ended(clients)
        )
        ended = [client for client in clients if client.done()]
        assert not ended, ended[0].exception()
    finally:
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    await until(cluster.ready)
    last = Client("last", cluster.nodes, notes, random)
    await until(lambda: _agree(last))
    timelines = {tenant: await read_timeline(cluster.nodes[0], tenant, settled[tenant]) for tenant in TENANTS}
    return Run(seed, schedule, History(notes.operations, timelines, truths, BOUND))


def _clients(cluster: Cluster) -> Iterator[tuple[str, Work, Sequence[Node]]]:
    """Yield clients' names, what they do, and where; some stay with one sidecar, so that none is waited for by all."""
    for node in cluster.nodes:
        yield f"writer on {node.name}", write_until_cancelled, [node]
        yield f"watcher on {node.name}", read_memory_until_cancelled, [node]
    for number in range(READERS):
        yield f"reader {number}", read_until_cancelled, cluster.nodes


def _any_ended(clients: Sequence[asyncio.Task[None]]) -> bool:
    """Return whether a client has ended, which none does unless it failed."""
    return any(client.done() for client in clients)


async def _agree(client: Client) -> bool:
    """Ask all sidecars everything, of the store and then from memory; return whether all give the same answers."""
    answers: dict[tuple[str, Question | Listing], set[Answer | Page]] = {}
    for demand in (Demand(Mode.FULLY_CONSISTENT), Demand()):
        for tenant in TENANTS:
            for question in questions(tenant):
                asked = (answered(client, tenant, question, demand, at=sidecar) for sidecar in client.sidecars)
                given = answers.setdefault((tenant, question), set())
                given.update(read.answer for read in await asyncio.gather(*asked))
    return all(len(given) == 1 for given in answers.values())
