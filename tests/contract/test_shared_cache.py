"""The contract of a shared cache, over every kind of Redis deployment, and the one that other tests use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from sidegate.model.store_address import redis_address
from sidegate.ports.shared_cache import SharedCache
from sidegate_adapters.redis.cache import CONNECTIONS, LARGEST, RedisCache
from sidegate_adapters.redis.circuit_breaker import Breaker
from sidegate_adapters.redis.connect import connect
from support.decisions.shared_cache import DictCache
from support.servers.valkey import valkey_cluster, valkey_sentinel, valkey_server
from support.waiting import until

KEY, OTHER = b"k" * 32, b"o" * 32
READ_TIMEOUT = 3600.0
"""Seconds that a read may take here: slow reads are not tested in this suite."""


@asynccontextmanager
async def redis_cache(address: str, *, prefix: str = "sidegate") -> AsyncIterator[RedisCache]:
    client = connect(redis_address(address), connections=CONNECTIONS)
    cache = RedisCache(client, prefix=prefix, timeout=READ_TIMEOUT, breaker=Breaker())
    try:
        yield cache
    finally:
        await cache.close()


@pytest.fixture(scope="module")
def standalone() -> Iterator[str]:
    with valkey_server() as server:
        yield server.address


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with valkey_cluster() as nodes:
        yield f"redis+cluster://127.0.0.1:{nodes[0].port},127.0.0.1:{nodes[1].port}"


@pytest.fixture(scope="module")
def sentinel() -> Iterator[str]:
    with valkey_sentinel() as (_, _, sentinel):
        yield f"redis+sentinel://127.0.0.1:{sentinel.port}/main/2"


@pytest.fixture(params=["dict", "standalone", "cluster", "sentinel"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[SharedCache]:
    if request.param == "dict":
        yield DictCache()
        return
    async with redis_cache(request.getfixturevalue(request.param)) as made:
        yield made


async def until_stored(cache: SharedCache, key: bytes, value: bytes | None) -> None:
    """Wait until a key has a value, or none."""

    async def holds() -> bool:
        return await cache.get(key) == value

    await until(holds)


async def test_what_is_put_is_there_later(cache):
    """A value comes back byte for byte, and only under its own key."""
    value = bytes(range(256))
    cache.put(KEY, value, seconds=60)
    await until_stored(cache, KEY, value)
    assert await cache.get(OTHER) is None
    cache.put(KEY, b"newer", seconds=60)
    await until_stored(cache, KEY, b"newer")


async def test_many_values_put_together_are_all_stored(cache):
    """Hundreds of values, which in a cluster belong to all of its nodes."""
    keys = [number.to_bytes(32, "big") for number in range(300)]
    for key in keys:
        cache.put(key, key, seconds=60)
    await until_stored(cache, keys[-1], keys[-1])
    for key in keys:
        await until_stored(cache, key, key)


@pytest.fixture
async def both(standalone: str) -> AsyncIterator[tuple[RedisCache, RedisCache]]:
    async with redis_cache(standalone) as one, redis_cache(standalone, prefix="another") as other:
        yield one, other


async def test_a_value_goes_when_its_time_is_over(both):
    """Nothing in Redis outlives the time that it was given."""
    one, _ = both
    one.put(KEY, b"brief", seconds=0.05)
    one.put(OTHER, b"long", seconds=60)
    await until_stored(one, OTHER, b"long")
    await until_stored(one, KEY, None)


async def test_a_prefix_keeps_deployments_apart(both):
    """Two prefixes on one Redis never see each other's values."""
    one, other = both
    one.put(KEY, b"ours", seconds=60)
    await until_stored(one, KEY, b"ours")
    assert await other.get(KEY) is None
    other.put(KEY, b"theirs", seconds=60)
    await until_stored(other, KEY, b"theirs")
    assert await one.get(KEY) == b"ours"


async def test_of_what_others_put_there_no_more_is_read_than_a_decision_can_be(both):
    """A value of megabytes costs no memory here, and a key of another type is a miss."""
    one, _ = both
    name = b"sidegate:decision:" + KEY.hex().encode()
    await one._client.set(name, b"x" * 10_000_000)
    read = await one.get(KEY)
    assert read is not None
    assert len(read) <= LARGEST + 1
    await one._client.delete(name)
    await one._client.rpush(name, b"x")
    assert await one.get(KEY) is None
    await one._client.delete(name)
