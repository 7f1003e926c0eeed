"""When a revocation takes effect: immediately for requests with its token, within the bound for all others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from time import monotonic

import pytest

from support.histories import nemesis
from support.histories.clients import Client, answered, settle, turned
from support.histories.cluster import BOUND, Cluster
from support.histories.nemesis import Schedule, harm
from support.histories.record import Demand, Listing, Mode, Outcome, Page, Part, Question, Read, Write
from support.histories.world import Switch, switches
from support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
TENANT = "revoked"
KINDS = {"grant": 0, "group": 5, "member": 6, "permission": 8, "resource": 9}
"""A switch of each kind: what is taken away is a grant, a group's member, a member, a permission, a document."""

HARSH = (nemesis.one_paused, nemesis.one_link_silent, nemesis.one_disconnected, nemesis.database_paused)
"""Faults that leave a sidecar, or all, with what they knew before."""


def token_of(write: Write) -> Demand:
    return Demand(Mode.AT_LEAST_AS_FRESH, write.revision)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_sidecar_allows_with_the_token_of_a_revocation(servers, client, kind):
    """With the token of a revocation no Check allows, and no list has, what was revoked, on any sidecar."""
    switch = switches(TENANT)[KINDS[kind]]
    await settle(servers.nodes[0], [TENANT])
    await turned(client, TENANT, switch, on=False)
    ways = questions(switch.question)
    for _ in range(3):
        for on in (True, False):
            demand = token_of(await turned(client, TENANT, switch, on=on))
            asked = [answered(client, TENANT, way, demand, at=sidecar) for sidecar in servers.nodes for way in ways]
            for read in await asyncio.gather(*asked):
                assert allows(read, switch.question) is on, read


async def test_no_sidecar_allows_after_a_revocation_while_all_else_fails(servers, client):
    """Faults one after another: with the token none allows, without it none once the bound has passed, by no list."""
    await settle(servers.nodes[0], [TENANT])
    switch = switches(TENANT)[0]
    async with faults_inflicted(servers) as inflicting:
        while not inflicting.done():
            await revoked_once(servers, client, switch)
    reads = [it for it in client.notes.operations if isinstance(it, Read)]
    for part in (None, *Part):
        asked = [read for read in reads if getattr(read.question, "part", None) is part]
        assert any(allows(read, switch.question) for read in asked), "nothing was ever allowed"
    assert any(read.answer is None for read in reads), "no fault was noticed"


async def revoked_once(servers: Cluster, client: Client, switch: Switch) -> None:
    """Grant, see it applied, revoke, and see that no sidecar allows any more."""
    granted = await turned(client, TENANT, switch, on=True)
    if granted.revision:
        demand, ways = token_of(granted), questions(switch.question)
        await asyncio.gather(*(client.ask(TENANT, way, demand, at=it) for it in servers.nodes for way in ways))
    revoked = await turned(client, TENANT, switch, on=False)
    if revoked.outcome is not Outcome.ACKNOWLEDGED:
        return  # an earlier attempt did it: its time and its token are unknown
    asked = 0.0
    while asked <= revoked.answered_at + BOUND:  # the last round is asked beyond the bound
        asked = monotonic()
        way = client.random.choice(questions(switch.question))
        for sidecar in servers.nodes:
            with_token, without = await asyncio.gather(
                client.ask(TENANT, way, token_of(revoked), at=sidecar),
                client.ask(TENANT, way, Demand(), at=sidecar),
            )
            assert not allows(with_token, switch.question), with_token
            if asked > revoked.answered_at + BOUND:
                assert not allows(without, switch.question), without
        await asyncio.sleep(0.02)


def questions(question: Question) -> Sequence[Question | Listing]:
    """Return all ways to ask a question: itself, and the lists that have its answer."""
    return question, *(Listing.of(question, part) for part in Part)


def allows(read: Read, question: Question) -> bool:
    """Return whether an answer allows a question: as a decision, or as a list that has its ID."""
    if isinstance(read.answer, Page):
        return any(read.question.about(id_) == question for id_ in read.answer.ids)
    return read.answer is not None and read.answer.allowed


@asynccontextmanager
async def faults_inflicted(servers: Cluster) -> AsyncIterator[asyncio.Task[Schedule]]:
    """Inflict faults meanwhile, and leave when all is well again."""
    inflicting = asyncio.create_task(harm(servers, Random(2), [HARSH], seconds=0))
    try:
        yield inflicting
    finally:
        await inflicting
        await until(servers.ready)
