"""What the store asks of SQLite in particular."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidegate.errors import StoreUnavailable
from sidegate.model.facts import TenantFacts
from sidegate_adapters.sql import SqlFactsStore, open_store
from support.facts.changes import changes_between
from support.facts.every_statement import statements, use_in_every_way


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlFactsStore]:
    opened = await open_store(f"sqlite:///{tmp_path / 'facts.db'}")
    yield opened
    await opened.close()


@pytest.mark.parametrize("engine", ["_readers", "_writers"])
async def test_connections_are_durable_and_wait(store: SqlFactsStore, engine: str) -> None:
    """Each connection logs ahead, syncs every commit, holds foreign keys and waits for a lock."""
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    async with getattr(store, engine).connect() as connection:
        found = {name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in pragmas}

    assert found == pragmas


async def test_a_damaged_file_is_unavailable_without_driver_text(tmp_path: Path, store: SqlFactsStore) -> None:
    """When the file turns to rubbish under the store, every call says that the store does not answer, and no more."""
    await store.close()
    (tmp_path / "facts.db").write_text("rubbish" * 10_000)

    write = store.write({"acme": changes_between(None, TenantFacts("acme"))}, expected={"acme": 0}, actor="platform")
    for call in (store.tenants(), store.load("acme"), store.load_resource("acme", "document:d1"), store.head(), write):
        with pytest.raises(StoreUnavailable) as failure:
            await call
        assert str(failure.value) == "the store does not answer"
        assert isinstance(failure.value.__cause__.orig, sqlite3.DatabaseError)


async def test_no_query_scans_a_table(store: SqlFactsStore) -> None:
    """Every statement of loading, following and writing finds its rows by a key or an index."""
    with statements(store) as sent:
        await use_in_every_way(store)

    plans: dict[str, list[str]] = {}
    async with store._readers.connect() as connection:
        for statement, parameters in sent.items():
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans[statement] = [row[-1] for row in rows]

    assert len(plans) > 20
    assert {statement: plan for statement, plan in plans.items() if any("SCAN" in step for step in plan)} == {}
