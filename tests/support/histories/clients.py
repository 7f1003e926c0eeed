"""Clients that write and read on any sidecar, and record the questions and the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from time import monotonic
from typing import Protocol

import grpc

from sidegate.authz.v1 import facts_pb2 as facts
from sidegate.authz.v1 import history_pb2 as changes
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from support.histories.record import (
    Answer,
    Demand,
    Listing,
    Mode,
    Operation,
    Outcome,
    Page,
    Part,
    Question,
    Read,
    Write,
)
from support.histories.timeline import Timeline, timeline
from support.histories.wire import send_batch, send_question
from support.histories.world import FACTS, OWNER, Switch, Turn, switches

PATIENCE = 0.8
"""Seconds after which a client gives a call up."""
OWN_BOUND = 0.3
"""Seconds that a reader asks for with MAX_STALENESS."""
SIZES = (1, 1, 2, 50)
"""How many IDs a reader wants on a page, so that many lists have more than one."""
_PAUSE = 0.1
# After these codes it is certain that nothing was written.
_REFUSALS = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
}


class Reachable(Protocol):
    """A sidecar as clients know it; `process` names its present process."""

    process: str
    channel: grpc.aio.Channel


@dataclass
class Notes:
    """What all clients know together: what they recorded, the last tokens received, and the last switch turned."""

    operations: list[Operation] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    turned: dict[str, Switch] = field(default_factory=dict)


@dataclass
class Client:
    """One client: it waits for each answer before it goes on, and sends the last token it received."""

    name: str
    sidecars: Sequence[Reachable]
    notes: Notes
    random: Random
    held: dict[str, str] = field(default_factory=dict)

    async def turn(self, tenant: str, switch: Switch, turn: Turn, *, at: Reachable | None = None) -> Write:
        """Write on any sidecar, and record how it ended."""
        sidecar = at or self.random.choice(self.sidecars)
        stub, method, request = turn.call
        process, asked = sidecar.process, monotonic()
        # The outcome of a cancelled call is unknown too.
        outcome, revision, failure = Outcome.UNKNOWN, "", "cancelled"
        try:
            revision = (await getattr(stub(sidecar.channel), method)(request, timeout=PATIENCE)).revision
            outcome, failure = Outcome.ACKNOWLEDGED, ""
        except grpc.aio.AioRpcError as error:
            outcome = Outcome.REFUSED if error.code() in _REFUSALS else Outcome.UNKNOWN
            failure = f"{error.code().name}: {error.details()}"
        finally:
            write = Write(
                self.name, process, tenant, turn.effect, asked, monotonic(), outcome, revision=revision, failure=failure
            )
            self.notes.operations.append(write)
        if revision:
            self._remember(tenant, revision)
            self.notes.turned[tenant] = switch
        return write

    async def ask(
        self, tenant: str, question: Question | Listing, demand: Demand, *, at: Reachable | None = None
    ) -> Read:
        """Ask on any sidecar, and record the answer or why there was none."""
        sidecar = at or self.random.choice(self.sidecars)
        process, asked = sidecar.process, monotonic()
        answer, failure = None, ""
        try:
            answer = await send_question(sidecar.channel, tenant, question, demand, patience=PATIENCE)
        except grpc.aio.AioRpcError as error:
            failure = f"{error.code().name}: {error.details()}"
        read = Read(
            self.name, process, tenant, question, asked, monotonic(), demand=demand, answer=answer, failure=failure
        )
        self.notes.operations.append(read)
        if answer is not None and answer.revision:
            self._remember(tenant, answer.revision)
        return read

    async def ask_together(self, tenant: str, questions: Sequence[Question], demand: Demand) -> Read:
        """Ask several questions in one call on any sidecar, record each of them, and return the last."""
        sidecar = self.random.choice(self.sidecars)
        process, asked = sidecar.process, monotonic()
        answers: Sequence[Answer | str]
        try:
            answers = await send_batch(sidecar.channel, tenant, questions, demand, patience=PATIENCE)
        except grpc.aio.AioRpcError as error:
            answers = [f"{error.code().name}: {error.details()}"] * len(questions)
        answered_at, batch = monotonic(), f"{self.name} {asked}"
        reads = [
            Read(
                self.name,
                process,
                tenant,
                question,
                asked,
                answered_at,
                demand=demand,
                answer=answer if isinstance(answer, Answer) else None,
                failure="" if isinstance(answer, Answer) else answer,
                batch=batch,
            )
            for question, answer in zip(questions, answers, strict=True)
        ]
        self.notes.operations.extend(reads)
        for read in reads:
            if read.answer is not None and read.answer.revision:
                self._remember(tenant, read.answer.revision)
        return reads[-1]

    def question(self, tenant: str) -> Question:
        """Choose what to ask, mostly about what was turned last."""
        last = self.notes.turned.get(tenant)
        return (last if last and self.random.random() < 0.6 else self.random.choice(switches(tenant))).question

    def listing(self, tenant: str) -> Listing:
        """Choose what to ask for a list of, and in how long pages."""
        question = OWNER if self.random.random() < 0.4 else self.question(tenant)
        return Listing.of(question, self.random.choice([*Part]), self.random.choice(SIZES))

    def demand(self, tenant: str) -> Demand:
        """Choose how fresh the next answer must be: a token is the last of this client or of any client."""
        mode = self.random.choice([*Mode])
        if mode is Mode.AT_LEAST_AS_FRESH:
            tokens = [held[tenant] for held in (self.held, self.notes.tokens) if tenant in held]
            return Demand(mode, token=self.random.choice(tokens)) if tokens else Demand()
        return Demand(mode, bound=OWN_BOUND if mode is Mode.MAX_STALENESS else None)

    def _remember(self, tenant: str, token: str) -> None:
        self.held[tenant] = self.notes.tokens[tenant] = token


async def turned(client: Client, tenant: str, switch: Switch, *, on: bool, at: Reachable | None = None) -> Write:
    """Turn a switch, again where it is not known whether it was turned; return the write that did it, or found it."""
    while True:
        write = await client.turn(tenant, switch, switch.on if on else switch.off, at=at)
        if write.outcome is not Outcome.UNKNOWN:
            return write


async def answered(
    client: Client, tenant: str, question: Question | Listing, demand: Demand, *, at: Reachable | None = None
) -> Read:
    """Ask until there is an answer."""
    while True:
        read = await client.ask(tenant, question, demand, at=at)
        if read.answer is not None:
            return read


async def write_until_cancelled(client: Client, tenants: Sequence[str]) -> None:
    """Turn switches until cancelled."""
    while True:
        tenant = client.random.choice(tenants)
        switch = client.random.choice(switches(tenant))
        write = await client.turn(tenant, switch, client.random.choice((switch.on, switch.off)))
        await asyncio.sleep(client.random.uniform(0, _PAUSE if write.outcome is Outcome.UNKNOWN else 0.02))


async def read_until_cancelled(client: Client, tenants: Sequence[str]) -> None:
    """Ask until cancelled, in every mode."""
    while True:
        tenant = client.random.choice(tenants)
        read = await read_whole(client, tenant, client.demand(tenant))
        await asyncio.sleep(client.random.uniform(0, 0.01 if read.answer else _PAUSE))


async def read_memory_until_cancelled(client: Client, tenants: Sequence[str]) -> None:
    """Ask until cancelled what memory answers, and never wait for more."""
    while True:
        await read_whole(client, client.random.choice(tenants), Demand())
        await asyncio.sleep(client.random.uniform(0, 0.03))


async def read_whole(client: Client, tenant: str, demand: Demand) -> Read:
    """Ask a question, or several together, or for a list page by page until it ends or fails; return the last read."""
    kind = client.random.random()
    if kind < 0.3:
        return await client.ask(tenant, client.question(tenant), demand)
    if kind < 0.5:
        some = [client.question(tenant) for _ in range(3)]
        # The same question twice must have the same answer.
        return await client.ask_together(tenant, [*some, *some], demand)
    listing = client.listing(tenant)
    while True:
        read = await client.ask(tenant, listing, demand)
        if not isinstance(read.answer, Page) or not read.answer.token:
            return read
        listing = replace(listing, before=read)
        await asyncio.sleep(client.random.uniform(0, 0.01))


async def settle(sidecar: Reachable, tenants: Sequence[str], document: str = FACTS) -> dict[str, str]:
    """Write the tenants' facts; return the revision of each."""
    settled: dict[str, str] = {}
    for tenant in tenants:
        request = facts.ApplyFactsRequest(document=document.format(tenant=tenant))
        answer = await FactsServiceStub(sidecar.channel).ApplyFacts(request)
        settled[tenant] = answer.tenants[0].revision
    return settled


async def read_timeline(sidecar: Reachable, tenant: str, settled: str) -> Timeline:
    """Return the states of a tenant from a sidecar's history."""
    found: list[changes.RecordedChange] = []
    request = changes.ListChangesRequest(parent=f"tenants/{tenant}", page_size=1000, oldest_first=True)
    while True:
        page = await HistoryServiceStub(sidecar.channel).ListChanges(request)
        found += page.changes
        request.page_token = page.next_page_token
        if not request.page_token:
            return timeline(found, settled=settled)
