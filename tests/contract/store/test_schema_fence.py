"""A store whose schema is changed by another version while this one runs: nothing is written to it any more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from sidegate.bootstrap import Core
from sidegate.errors import SchemaChanged, TooStale
from sidegate.model.change import Change, EntryKind
from sidegate.model.facts import Member, TenantFacts
from sidegate_adapters.sql import SqlFactsStore, open_store, schema
from support.decisions.deciding import apply, ask, deciding
from support.facts.changes import changes_between
from support.facts.revisions import loaded

FACTS = TenantFacts("acme", members={"uma": Member("uma")})
DOCUMENT = "tenants: {acme: {pack: standard, members: {ann: {roles: [owner]}}}}"
NEWER = "the database has the schema `9999`, newer than this version knows: use a newer sidegate"


async def set_version(store: SqlFactsStore, version: str) -> None:
    """Name another version of the schema, as a migration does last."""
    async with store._writers.begin() as connection:
        await connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '{version}'"))


async def seen(store: SqlFactsStore) -> object:
    async with store._readers.connect() as connection:
        return await connection.scalar(text("SELECT last_access_at FROM members"))


@pytest.mark.parametrize(
    ("version", "message"),
    [("9999", NEWER), ("0001", f"the database's schema is no longer `{schema.HEAD}` but `0001`: restart sidegate")],
)
async def test_nothing_is_written_to_another_schema(store: SqlFactsStore, version: str, message: str) -> None:
    """Every kind of write is refused with a reason, and leaves facts, feed, members and secrets as they were."""
    await store.write({"acme": changes_between(None, FACTS)}, expected={}, actor="platform")
    await set_version(store, version)
    joined = changes_between(FACTS, TenantFacts("acme", members={**FACTS.members, "vic": Member("vic")}))

    for write in (
        store.write({"acme": joined}, expected={"acme": 1}, actor="platform"),
        store.write({"globex": changes_between(None, TenantFacts("globex"))}, expected={}, actor="platform"),
        store.record_access("acme", "uma", datetime.now(UTC)),
        store.secret("one"),
    ):
        with pytest.raises(SchemaChanged) as refused:
            await write
        assert str(refused.value) == message

    assert await store.head() == 2
    assert await store.tenants() == ["acme"]
    assert await loaded(store, "acme") == (FACTS, 1)
    assert await seen(store) is None
    async with store._readers.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM deployment")) == 0


@pytest.fixture
async def core(address: str, other: SqlFactsStore):
    """A decision point that decided from the store while its schema was the known one."""
    del other
    async with deciding(address, poll_interval=0.02) as core:
        await apply(core, DOCUMENT)
        assert (await ask(core, "ann view document:*")).allowed
        yield core


async def test_a_running_sidecar_is_not_ready_once_the_schema_was_raised(core: Core, other: SqlFactsStore) -> None:
    """It says why, refuses writes and soon all questions, and goes on when the schema is the known one again."""
    assert core.ready()
    await set_version(other, "9999")

    with pytest.raises(SchemaChanged):
        await core.follower.catch_up()
    assert core.unready_reason() == NEWER
    with pytest.raises(SchemaChanged):
        await apply(core, DOCUMENT.replace("ann", "uma"))
    core.follower._view_time -= core.max_staleness
    with pytest.raises(TooStale):
        await ask(core, "ann view document:*")

    await set_version(other, schema.HEAD)
    await core.follower.catch_up()
    assert core.ready()
    assert (await ask(core, "ann view document:*")).allowed


async def _waiting(store: SqlFactsStore) -> bool:
    """Return whether anything waits for a lock of the tenants."""
    query = "SELECT count(*) FROM pg_locks WHERE relation = 'tenants'::regclass AND NOT granted"
    async with store._readers.connect() as connection:
        return bool(await connection.scalar(text(query)))


async def _lower(store: SqlFactsStore) -> None:
    async with store._writers.begin() as connection:
        await connection.run_sync(lambda it: schema.downgrade(it, "0007"))


async def test_a_migration_waits_for_the_writes_in_progress(postgres) -> None:
    """On PostgreSQL a migration begins when no write is in progress, so that each write sees which schema it is for."""
    async with postgres.database() as address:
        store, migrating = await open_store(address), await open_store(address)
        await store.write({"acme": changes_between(None, FACTS)}, expected={}, actor="platform")
        async with store._writers.begin() as writing:
            await writing.execute(text("SELECT id FROM tenants FOR UPDATE"))
            migration = asyncio.create_task(_lower(migrating))
            while not await _waiting(store):
                assert not migration.done()
            assert await store.head() == 2
        await migration

        deleted = Change(EntryKind.TENANT, (), {"pack": "", "settings": {}}, None)
        with pytest.raises(SchemaChanged):
            await store.write({"acme": [deleted]}, expected={"acme": 1}, actor="platform")
        assert await store.head() == 2
        for each in (store, migrating):
            await each.close()
