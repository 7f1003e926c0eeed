"""Redis killed, emptied, paused, slow, cut, full, refusing: callers never get an error, a wrong answer or a hang."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidegate import bootstrap
from sidegate.config.load import load_settings
from sidegate.model.decision import Decision
from sidegate.model.store_address import redis_address
from sidegate_adapters.redis.cache import BATCH, CONNECTIONS, READS, Hooks, RedisCache
from sidegate_adapters.redis.circuit_breaker import Breaker
from sidegate_adapters.redis.connect import Certificates, connect
from support.decisions.deciding import apply, ask
from support.decisions.shared_cache import Counted
from support.servers.certificates import issue
from support.servers.faulty_link import faulty_link
from support.servers.valkey import ValkeyServer, valkey_cluster, valkey_sentinel, valkey_server
from support.waiting import until

MEMBERS = [f"m{number}" for number in range(60)]
FACTS = f"""
tenants:
  acme:
    members: {{olivia: {{roles: [owner]}}, {", ".join(f"{name}: {{}}" for name in MEMBERS)}}}
    resources: {{"document:d1": {{owner: m0}}}}
    grants: [{{role: viewer, on: "document:d1", to: "member:m1"}}]
"""


class Sidecar:
    """A chain whose every question goes through Redis, and what its cache counted."""

    def __init__(self, core: bootstrap.Core, counted: Counted) -> None:
        self.core = core
        self.counted = counted

    async def asks(self) -> list[Decision]:
        """Ask about every member together; nothing is in memory."""
        return await asyncio.gather(*(ask(self.core, f"{name} view document:d1") for name in MEMBERS))

    async def answers_rightly(self) -> bool:
        """Ask about every member; the two who may see the document do, and nobody else."""
        decisions = await self.asks()
        allowed = [name for name, decision in zip(MEMBERS, decisions, strict=True) if decision.allowed]
        return allowed == ["m0", "m1"]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Ask until something holds."""

        async def holds_after_answers() -> bool:
            assert await self.answers_rightly()
            return holds()

        await until(holds_after_answers)

    async def until_hit(self) -> None:
        """Ask until an answer comes from Redis."""
        self.counted.taken()
        await self.until(lambda: "hit_shared" in self.counted.events)

    async def until_open(self) -> None:
        """Ask until the circuit is open."""
        await self.until(lambda: self.counted.states[-1] == "open")


@asynccontextmanager
async def sidecar(directory: Path, redis: str, **settings: object) -> AsyncIterator[Sidecar]:
    flags = {
        "database": f"sqlite:///{directory / 'facts.db'}",
        "redis": redis,
        "cache": "always",
        "cache_entries": 1,
        "redis_timeout": 0.25,  # a busy machine must not look like a failing Redis
        **settings,
    }
    counted = Counted()
    async with bootstrap.deciding(load_settings(flags), caching=counted) as core:
        if not await core.store.tenants():
            await apply(core, FACTS)
        yield Sidecar(core, counted)


@pytest.fixture
def redis():
    with valkey_server() as server:
        yield server


def kill_and_start(server: ValkeyServer) -> None:
    server.kill()
    server.start()


async def test_a_killed_redis_is_not_asked_until_it_is_back(redis, tmp_path):
    """Answers stay right while it is away; restarted, and empty, it is used again."""
    async with sidecar(tmp_path, redis.address) as asking:
        await asking.until_hit()
        redis.kill()
        await asking.until_open()
        redis.start()
        assert redis.execute("DBSIZE") == 0
        await asking.until_hit()
        kill_and_start(redis)  # so quickly that nobody may have noticed
        await asking.until_hit()


async def test_a_paused_redis_is_not_asked_until_it_resumes(redis, tmp_path):
    """Connections that take everything and answer nothing cost a few reads, then none, however many ask at once."""
    async with sidecar(tmp_path, redis.address) as asking:
        await asking.until_hit()
        redis.pause()
        await asking.until_open()
        asking.counted.taken()
        redis.resume()
        await asking.until_hit()


async def test_a_redis_that_is_too_slow_is_not_asked(redis, tmp_path):
    """Answers that come later than a request may wait are as good as none; a cut connection is opened again."""
    async with faulty_link(("127.0.0.1", redis.port)) as link:
        address = f"redis://127.0.0.1:{link.address[1]}"
        async with sidecar(tmp_path, address) as asking:
            await asking.until_hit()
            link.slow(0.6)
            await asking.until_open()
            link.mend()
            await asking.until_hit()
            link.cut()
            await asking.until_open()
            link.mend()
            await asking.until_hit()
            link.silence()
            await asking.until_open()
            link.mend()
            await asking.until_hit()


async def test_a_redis_that_is_not_ours_to_use_is_as_none(tmp_path):
    """A wrong password, an account without the rights, no TLS where it is asked for, nobody there: all are misses."""
    certificates = Certificates(issue(tmp_path).ca)
    with valkey_server("user default off", "user few on >pw ~other:* -@all +get") as server:
        at = f"127.0.0.1:{server.port}"
        for address in (
            f"redis://{at}",
            f"redis://few:guess@{at}",
            f"redis://few:pw@{at}",
            f"rediss://few:pw@{at}",
            "redis://nobody.invalid",
            f"redis+cluster://few:pw@{at}",
            f"redis+sentinel://{at}/main",
            "unix:///nowhere/redis.sock",
        ):
            states: list[str] = []
            client = connect(redis_address(address), certificates=certificates, connections=CONNECTIONS)
            cache = RedisCache(client, prefix="sidegate", timeout=0.1, breaker=Breaker(observe=states.append))
            cache.put(b"k", b"value", seconds=60)
            while states[-1] != "open":
                assert await cache.get(b"k") is None
            await cache.close()


async def test_a_sidecar_starts_without_its_redis_and_says_why(tmp_path, caplog):
    """Nobody listens there, and everything is answered; the log says why once, however often it is tried."""
    async with sidecar(tmp_path, "redis://127.0.0.1:1") as asking:
        await asking.until_open()
        await asking.until(lambda: asking.counted.states.count("open") > 1)
        assert await asking.answers_rightly()
    (event,) = [text for text in map(str, (record.msg for record in caplog.records)) if "redis circuit open" in text]
    assert "ConnectionError" in event


async def test_a_full_redis_is_read_and_not_written(tmp_path):
    """What can't be written is dropped and counted, and nobody waits for it."""
    with valkey_server("maxmemory 1mb", "maxmemory-policy noeviction") as server:
        async with sidecar(tmp_path, server.address) as asking:
            await asking.until(lambda: "write_dropped" in asking.counted.events)
            server.execute("CONFIG", "SET", "maxmemory", "100mb")
            await asking.until_hit()


async def test_what_is_poisoned_in_redis_is_never_an_answer(redis, tmp_path):
    """Everything that the sidecar wrote, replaced by an allow of its own making, by rubbish, or by another's type."""
    async with sidecar(tmp_path, redis.address) as asking:
        await asking.until(lambda: redis.execute("DBSIZE") == len(MEMBERS))
        values = {name: redis.execute("GET", name) for name in redis.execute("KEYS", "sidegate:decision:*")}
        allowed = {name for name, value in values.items() if b"[true" in value}
        one = values[min(allowed)]
        for number, (name, value) in enumerate(values.items()):
            forged = (
                (b"rubbish", value[:-1], b"", value) if name in allowed else (one, b"rubbish", value[:-1], one[:40])
            )
            redis.execute("DEL", name)
            if forged[number % 4] == value:
                redis.execute("RPUSH", name, value)
            else:
                redis.execute("SET", name, forged[number % 4])
        asking.counted.taken()
        assert await asking.answers_rightly()
        assert "hit_shared" not in asking.counted.events
        assert "rejected" in asking.counted.events
        await asking.until_hit()


async def test_many_at_once_never_wait_for_more_than_a_few_reads(redis):
    """A paused Redis is asked a bounded number of questions; all others get a miss immediately."""
    states: list[str] = []
    failures: list[str] = []
    client = connect(redis_address(redis.address), connections=CONNECTIONS)
    breaker, hooks = Breaker(observe=states.append), Hooks(failed=failures.append)
    cache = RedisCache(client, prefix="sidegate", timeout=0.1, breaker=breaker, hooks=hooks)
    try:
        redis.pause()
        assert set(await asyncio.gather(*(cache.get(b"k") for _ in range(1000)))) == {None}
        assert states == ["closed", "open"]
        # No command was sent for these.
        assert failures.count("") == 1000 - READS * BATCH
        assert len(failures) == failures.count("") + READS
    finally:
        redis.resume()
        await cache.close()


async def test_sentinels_failover_is_followed(tmp_path):
    """The master is killed; the sentinel makes its replica the master, and the cache goes on there."""
    with valkey_sentinel() as (master, _, sentinel):
        async with sidecar(tmp_path, f"redis+sentinel://127.0.0.1:{sentinel.port}/main") as asking:
            await asking.until_hit()
            master.kill()
            await asking.until_open()
            await asking.until_hit()


async def test_a_clusters_failover_is_followed(tmp_path):
    """A master is killed and its replica takes over; what belongs to it is kept there from then on."""
    with valkey_cluster() as nodes:
        address = f"redis+cluster://127.0.0.1:{nodes[0].port},127.0.0.1:{nodes[1].port}"
        async with sidecar(tmp_path, address) as asking:
            await asking.until_hit()
            nodes[0].kill()
            nodes[-1].execute("CLUSTER", "FAILOVER", "TAKEOVER")
            nodes[-1].execute("FLUSHALL")
            await asking.until(lambda: nodes[-1].execute("DBSIZE") > 0)
            await asking.until_hit()
