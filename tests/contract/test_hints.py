"""What all Hints do: they are heard at once, missed without harm, and come back by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from tempfile import TemporaryDirectory

import pytest

from sidegate import bootstrap
from sidegate.bootstrap.storage.hints import chosen_hints
from sidegate.config.load import load_settings
from sidegate.errors import SettingsError
from sidegate.model.decision import Decision
from sidegate.model.facts import TenantFacts
from sidegate.ports.hints import Hints
from sidegate_adapters.sql import open_store
from support.decisions.deciding import apply, ask
from support.facts.changes import changes_between
from support.servers.postgres import PostgresServer
from support.servers.valkey import valkey_cluster, valkey_server
from support.waiting import until


@dataclass(frozen=True)
class Case:
    """Hints, what makes one, what cuts the connection on which they are heard, and the server behind them."""

    hints: Hints
    write: Callable[[], Awaitable[object]]
    cut: Callable[[], Awaitable[object]]
    stop: Callable[[], object]
    start: Callable[[], object]


@pytest.fixture(params=["postgresql", "redis"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    made = postgresql_case(request.getfixturevalue("postgres")) if request.param == "postgresql" else redis_case()
    async with made as case:
        yield case
        await case.hints.close()


@asynccontextmanager
async def postgresql_case(server: PostgresServer) -> AsyncIterator[Case]:
    async with server.database() as address:
        hints = chosen(database=address)
        store = await open_store(address, written=hints.publish)
        numbers = count()

        async def write() -> None:
            tenant = f"t{next(numbers)}"
            changes = changes_between(None, TenantFacts(tenant))
            await store.write({tenant: changes}, expected={tenant: 0}, actor="platform")

        async def cut() -> None:
            listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            await server.execute(listening)

        yield Case(hints, write, cut, server.stop, server.start)
        await store.close()


@asynccontextmanager
async def redis_case() -> AsyncIterator[Case]:
    with valkey_server() as server, TemporaryDirectory() as directory:
        hints = chosen(redis=server.address)
        store = await open_store(f"sqlite:///{directory}/facts.db", written=hints.publish)
        numbers = count()

        async def write() -> None:
            tenant = f"t{next(numbers)}"
            changes = changes_between(None, TenantFacts(tenant))
            await store.write({tenant: changes}, expected={tenant: 0}, actor="platform")

        async def cut() -> None:
            server.execute("CLIENT", "KILL", "TYPE", "pubsub")

        yield Case(hints, write, cut, server.kill, server.start)
        await store.close()


def chosen(**settings: str) -> Hints:
    """Return the hints that a sidecar with these settings uses."""
    hints = chosen_hints(load_settings(settings))
    assert hints is not None
    return hints


async def receive_hint(hints: AsyncIterator[None]) -> None:
    """Wait for one hint."""
    await anext(hints)


async def decision_at(core: bootstrap.Core, number: int) -> Decision:
    """Return the decision once the replica has a revision."""
    while (decision := await ask(core, "uma invite member:*")).revision.number < number:
        await core.follower.poll_ended()
    return decision


async def test_a_write_is_heard(case):
    """A listener gets a hint when it starts to listen, and then one for each write."""
    assert not case.hints.connected
    async with aclosing(case.hints.listen()) as hints:
        await receive_hint(hints)
        assert case.hints.connected
        for _ in range(3):
            await case.write()
            await receive_hint(hints)
    assert not case.hints.connected


async def test_hints_that_nobody_takes_become_one(case):
    """A sidecar that is slow finds one hint for many writes, and gets the next one again."""
    async with aclosing(case.hints.listen()) as hints:
        await receive_hint(hints)
        for _ in range(5):
            await case.write()
        await receive_hint(hints)
        await case.write()
        await receive_hint(hints)


async def test_a_lost_connection_is_made_again_with_a_hint(case):
    """A listener gets one more hint after a loss, since a write may have been missed."""
    async with aclosing(case.hints.listen()) as hints:
        await receive_hint(hints)
        await case.cut()
        await receive_hint(hints)
        await case.write()
        await receive_hint(hints)


async def test_a_server_that_is_away_is_waited_for(case):
    """While the server is down nothing is raised, and when it is back hints come again."""
    async with aclosing(case.hints.listen()) as hints:
        await receive_hint(hints)
        case.stop()
        waiting = asyncio.create_task(receive_hint(hints))
        await until(lambda: not case.hints.connected)
        case.start()
        await waiting


async def test_a_redis_that_is_away_does_not_hold_up_a_write():
    """While Redis is away no write waits to send its hint, and a listener gets one hint once it is back."""
    async with redis_case() as case, aclosing(case.hints.listen()) as hints:
        await receive_hint(hints)
        case.stop()
        for _ in range(20):
            await case.write()
        case.start()
        await receive_hint(hints)
        await case.hints.close()


async def test_hints_pass_through_a_cluster():
    """A listener at any node receives the hints that are published at any other."""
    with valkey_cluster() as nodes:
        listening, publishing = (chosen(redis=f"redis+cluster://127.0.0.1:{node.port}") for node in nodes[:2])
        async with aclosing(listening.listen()) as hints:
            await receive_hint(hints)
            publishing.publish()
            await receive_hint(hints)
        await listening.close()
        await publishing.close()


@pytest.mark.parametrize("by", ["store", "redis"])
async def test_a_write_of_another_sidecar_is_seen_without_a_poll(postgres, by):
    """With hints a revocation elsewhere takes effect here although this sidecar would not poll for an hour."""
    facts = "tenants: {acme: {members: {uma: {roles: [owner]}, vic: {}}}}"
    handed_over = facts.replace("uma: {roles: [owner]}", "uma: {}").replace("vic: {}", "vic: {roles: [owner]}")
    async with postgres.database() as address:
        with valkey_server() as server:
            flags = {"database": address, "redis": server.address, "hints": by}
            settings = load_settings({**flags, "poll_interval": 3599, "max_staleness": 3600})
            async with bootstrap.deciding(settings) as one, bootstrap.deciding(settings) as other:
                await apply(one, facts)
                assert (await decision_at(other, 1)).allowed
                await apply(one, handed_over)
                assert not (await decision_at(other, 2)).allowed


def test_hints_come_from_what_there_is():
    """The store comes first, then Redis, then nothing; what is asked for and is not there is a fault that says so."""
    redis, postgres = "redis://127.0.0.1", "postgresql://127.0.0.1/facts"
    assert chosen_hints(load_settings({})) is None
    assert chosen_hints(load_settings({"database": postgres, "redis": redis, "hints": "off"})) is None
    assert "RedisHints('sidegate:hints'" in repr(chosen(redis=redis))
    assert "PostgresHints" in repr(chosen(database=postgres, redis=redis))
    assert "RedisHints" in repr(chosen(database=postgres, redis=redis, hints="redis"))
    for given, message in ({"hints": "redis"}, "without a redis"), ({"hints": "store"}, "gives no hints"):
        with pytest.raises(SettingsError, match=message):
            load_settings(given)
