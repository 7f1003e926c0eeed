"""Large documents are handled in a process of their own, with the results of the sidecar's own."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.bulk.process import BulkProcesses, DocumentLimits, Site
from sidegate.errors import FactsError, TenantNotAllowed
from sidegate.facts.apply import FactsDocuments
from sidegate.ports.bulk_facts import BulkEvent, ChangedTenant, ChangesPage, Order, Progress, Stage
from sidegate.server.wire.fact_changes import write_change
from sidegate_adapters.sql.opening import open_store
from sidegate_adapters.sql.store import SqlFactsStore
from support.facts.pack import facts_schema

DOCUMENT = """
tenants:
  acme:
    pack: paper
    members:
      rep: {roles: [chief]}
      uma: {name: "Ümit", email: uma@acme.example}
    resources:
      document:d1: {owner: uma}
  globex:
    pack: paper
    members: {rep: {roles: [chief]}}
"""
FAULTY = DOCUMENT.replace("owner: uma", "owner: tom")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlFactsStore]:
    opened = await open_store(_address(tmp_path))
    yield opened
    await opened.close()


def _address(directory: Path) -> str:
    return f"sqlite:///{directory}/facts.db"


def _bulk(store: SqlFactsStore, directory: Path) -> BulkProcesses:
    async def catch_up() -> None:
        """Follow nothing."""

    site = Site(lambda: _address(directory), lambda: {"paper": facts_schema()}, "paper", store, catch_up)
    return BulkProcesses(site, most=2, limits=DocumentLimits(10_000, 1_000))


async def _chunks(text: str) -> AsyncIterator[bytes]:
    raw = text.encode()
    for start in range(0, len(raw), 7):  # which splits characters too
        yield raw[start : start + 7]


def _accept(_tenants: Sequence[str]) -> None:
    """Accept all tenants."""


async def _run(bulk: BulkProcesses, text: str, order: Order) -> list[BulkEvent]:
    return [event async for event in bulk.run(order, _chunks(text), _accept)]


async def test_a_process_writes_what_the_sidecar_would_write(store: SqlFactsStore, tmp_path: Path) -> None:
    """Changes, warnings and revisions are the same, and so are the errors of a faulty document."""
    bulk, here = _bulk(store, tmp_path), FactsDocuments(store, lambda _: facts_schema())
    planned = await here.plan(DOCUMENT, "f.yaml")

    events = await _run(bulk, DOCUMENT, Order("f.yaml", write=True, actor="platform"))

    stages = [event.stage for event in events if isinstance(event, Progress)]
    heads = [event for event in events if isinstance(event, ChangedTenant)]
    pages = [pb.TenantChanges.FromString(event.encoded) for event in events if isinstance(event, ChangesPage)]
    assert stages == [Stage.READING, Stage.COMPARING, Stage.WRITING]
    assert [(head.tenant, tuple(head.warnings)) for head in heads] == [(one.tenant, one.warnings) for one in planned]
    assert [[*page.changes] for page in pages] == [[*map(write_change, one.changes)] for one in planned]
    for head in heads:
        assert (await store.tenant_head(head.tenant)) == ("paper", head.revision)
    assert [one.changes for one in await here.plan(DOCUMENT, "f.yaml")] == [(), ()]

    with pytest.raises(FactsError) as expected:
        await here.plan(FAULTY, "f.yaml")
    with pytest.raises(FactsError) as caught:
        await _run(bulk, FAULTY, Order("f.yaml", write=False))
    assert caught.value.faults == expected.value.faults
    assert bulk.running == frozenset()


async def test_a_caller_that_leaves_ends_the_process(store: SqlFactsStore, tmp_path: Path) -> None:
    """While the process waits for its turn to write, its caller leaves: it ends, and nothing was written."""
    bulk = _bulk(store, tmp_path)
    async with store.write_turn(), aclosing(bulk.run(Order("f", write=True), _chunks(DOCUMENT), _accept)) as events:
        async for event in events:
            if isinstance(event, Progress) and event.stage is Stage.WRITING:
                break
        (process,) = bulk.running

    assert bulk.running == frozenset()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert await store.tenants() == []


async def test_a_tenant_that_the_caller_may_not_write_ends_the_process(store: SqlFactsStore, tmp_path: Path) -> None:
    """The check of the tenants comes before anything of them is read; its error is the call's."""
    bulk = _bulk(store, tmp_path)
    asked: list[Sequence[str]] = []

    def refuse(tenants: Sequence[str]) -> None:
        asked.append(tenants)
        raise TenantNotAllowed("not this one", caller="app", right="facts.bulk")

    with pytest.raises(TenantNotAllowed):
        async for _ in bulk.run(Order("f", write=True), _chunks(DOCUMENT), refuse):
            pass
    assert asked == [["acme", "globex"]]
    assert bulk.running == frozenset()
    assert await store.tenants() == []
