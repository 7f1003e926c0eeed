"""What watchers cost a sidecar and its store."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from sidegate.bootstrap import serving
from sidegate.config.load import load_settings
from sidegate.model.facts import StoredResource, TenantFacts
from sidegate_adapters.sql import open_store
from sidegate_adapters.sql.store import SqlFactsStore
from support.decisions.watching import Watch, watching
from support.facts.changes import changes_between
from support.servers.companies import create

WATCHERS = 20
NARROW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 64 * 1024))
"""A client that takes only so much before it reads."""


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the history of each tenant was read."""
    counted: Counter[str] = Counter()
    read = SqlFactsStore.history

    async def counting(self, tenant, *args, **kwargs):
        counted[tenant] += 1
        return await read(self, tenant, *args, **kwargs)

    monkeypatch.setattr(SqlFactsStore, "history", counting)
    return counted


@pytest.fixture
async def address(tmp_path: Path):
    settings = {"database": f"sqlite:///{tmp_path}/facts.db", "listen": "127.0.0.1:0", "drain": 0}
    async with serving(load_settings(settings)) as running:
        yield running.addresses[0]


async def test_who_keeps_up_asks_the_store_nothing(address, reads):
    """With any number of watchers, each is sent the changes that the sidecar's own poll has found."""
    async with grpc.aio.insecure_channel(address) as wire, AsyncExitStack() as stack:
        watched, other = await create(wire, "standard"), await create(wire, "standard")
        watches = [await stack.enter_async_context(watching(wire, parent=watched.parent)) for _ in range(WATCHERS)]
        reads.clear()
        for number in range(5):
            await other.invite(f"m{number}")
        for number in range(5):
            await watched.invite(f"m{number}")
        await asyncio.gather(*(watch.until(10) for watch in watches))
        assert all(watch.changes == watches[0].changes for watch in watches)
        assert not reads


async def test_a_slow_reader_is_read_for_no_faster(address, reads, tmp_path):
    """For a caller that stopped reading one page is held, not all there is; it gets all once it reads on."""
    whole = TenantFacts("acme")
    store = await open_store(f"sqlite:///{tmp_path}/facts.db")
    for revision in range(10):
        text = {"text": "x" * 8_000}
        made = [StoredResource("document", f"d{revision}-{number}", properties=text) for number in range(200)]
        before, whole = whole, TenantFacts("acme", resources={**whole.resources, **{one.ref: one for one in made}})
        changes = changes_between(before if revision else None, whole)
        await store.write({"acme": changes}, expected={"acme": revision}, actor="test")
    await store.close()
    async with grpc.aio.insecure_channel(address, options=NARROW) as wire:
        other = await create(wire, "standard")  # once this is written, the sidecar has seen all that came before
        watch = Watch(wire, parent="tenants/acme", from_beginning=True)
        await watch.next()
        for _ in range(20):  # in which a stream that does not wait for its reader would go on
            await other.check("ann", "view", "tenant")
        assert reads["acme"] == 1
        await watch.until_caught_up()
        assert len(watch.changes) == 2001
        assert reads["acme"] > 4
        watch.call.cancel()
