"""What all Hints do: they are heard at once, missed without harm, and come back by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from sidegate import bootstrap
from sidegate.config import load_settings
from sidegate.model import Decision, TenantFacts
from sidegate.ports import Hints
from sidegate_adapters.sql import open_store
from sidegate_adapters.sql.opening import store_hints
from support.changes import changes_between
from support.deciding import apply, ask
from support.postgres_server import PostgresServer

PATIENCE = 30.0


@dataclass(frozen=True)
class Case:
    """Hints, what makes a hint, and what cuts the connection on which they are heard."""

    hints: Hints
    write: Callable[[], Awaitable[object]]
    cut: Callable[[], Awaitable[object]]


@pytest.fixture(params=["postgresql"])
async def case(postgres: PostgresServer) -> AsyncIterator[Case]:
    async with postgres.database() as address:
        store = await open_store(address)
        hints = store_hints(address)
        numbers = iter(range(100))

        async def write() -> None:
            tenant = f"t{next(numbers)}"
            changes = changes_between(None, TenantFacts(tenant))
            await store.write({tenant: changes}, expected={tenant: 0}, actor="platform")
            hints.publish()

        async def cut() -> None:
            listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            await postgres.execute(listening)

        yield Case(hints, write, cut)
        await hints.close()
        await store.close()


async def heard(told: AsyncIterator[None]) -> None:
    """Wait for one hint."""
    async with asyncio.timeout(PATIENCE):
        await anext(told)


async def in_force(core: bootstrap.Core, revision: int) -> Decision:
    """Return how a question is decided once a revision is in force."""
    async with asyncio.timeout(PATIENCE):
        while (decision := await ask(core, "uma invite member:*")).revision < revision:
            await core.follower.look_ended()
    return decision


async def test_a_write_is_heard(case):
    """Whoever listens is told once it listens, and then of each write."""
    assert not case.hints.connected
    async with aclosing(case.hints.listen()) as told:
        await heard(told)
        assert case.hints.connected
        for _ in range(3):
            await case.write()
            await heard(told)
    assert not case.hints.connected


async def test_hints_that_nobody_takes_become_one(case):
    """A sidecar that is slow finds one hint for many writes, and is told of the next one again."""
    async with aclosing(case.hints.listen()) as told:
        await heard(told)
        for _ in range(5):
            await case.write()
        await heard(told)
        await case.write()
        await heard(told)


async def test_a_lost_connection_is_made_anew_and_tells_what_was_missed(case):
    """Whoever listens hears nothing of the loss but one more hint, since something may have been missed."""
    async with aclosing(case.hints.listen()) as told:
        await heard(told)
        await case.cut()
        await heard(told)
        await case.write()
        await heard(told)


async def test_a_server_that_is_away_is_waited_for(postgres, case):
    """While the server is down nothing is raised, and when it is back hints come again."""
    async with aclosing(case.hints.listen()) as told:
        await heard(told)
        postgres.stop()
        waiting = asyncio.create_task(heard(told))
        await asyncio.sleep(0.3)
        assert not case.hints.connected
        postgres.start()
        await waiting


async def test_a_write_of_another_sidecar_is_seen_without_a_poll(postgres):
    """With hints a revocation elsewhere is in force here although this sidecar would not look for a minute."""
    facts = "tenants: {acme: {members: {uma: {roles: [owner]}, vic: {}}}}"
    async with postgres.database() as address:
        settings = load_settings({"database": address, "poll_interval": 59, "max_staleness": 60})
        async with bootstrap.deciding(settings) as one, bootstrap.deciding(settings) as other:
            await apply(one, facts)
            await in_force(other, 1)
            await apply(
                one, facts.replace("uma: {roles: [owner]}", "uma: {}").replace("vic: {}", "vic: {roles: [owner]}")
            )
            assert not (await in_force(other, 2)).allowed
