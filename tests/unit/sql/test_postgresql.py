"""What the store asks of PostgreSQL in particular, and how it handles failures."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Connection, event

from sidegate.errors import StartError, StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable
from sidegate.model.facts import TenantFacts
from sidegate.model.page import MemberQuery
from sidegate.model.revision import Revision
from sidegate_adapters.sql import SqlFactsStore, open_store
from sidegate_adapters.sql.databases import engines, postgresql
from sidegate_adapters.sql.schema import VERSION_TABLE, downgrade
from support.facts.changes import changes_between
from support.facts.every_statement import statements, use_in_every_way
from support.facts.revisions import loaded, numbers
from support.servers.faulty_link import faulty_link
from support.servers.postgres import PostgresServer
from support.waiting import until

# A trigger that fails the first writes as the database fails one of two that can't both go on.
FAILING = """
CREATE SEQUENCE attempts;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('attempts') <= {times} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER failing BEFORE UPDATE ON feed FOR EACH ROW EXECUTE FUNCTION fail();
"""
# A trigger that holds up a write between its locks on tenants and on the feed, as long as another client has lock 1.
GATE = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_advisory_xact_lock(1); RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION wait();
"""
CUT = "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE application_name = 'sidegate'"
MADE = {"acme": changes_between(None, TenantFacts("acme"))}


@pytest.fixture
async def address(postgres: PostgresServer) -> AsyncIterator[str]:
    async with postgres.database() as made:
        yield made


@pytest.fixture
async def store(address: str) -> AsyncIterator[SqlFactsStore]:
    opened = await open_store(address)
    yield opened
    await opened.close()


@pytest.fixture
async def hand(address: str, store: SqlFactsStore) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection of the test's own to the store's database."""
    del store
    connection = await asyncpg.connect(address)
    yield connection
    await connection.close()


async def make(store: SqlFactsStore) -> Mapping[str, Revision]:
    return await store.write(MADE, expected={"acme": 0}, actor="platform")


async def alter(store: SqlFactsStore) -> Mapping[str, Revision]:
    changes = changes_between(TenantFacts("acme"), TenantFacts("acme", pack="standard"))
    return await store.write({"acme": changes}, expected={"acme": 1}, actor="platform")


async def until_waiting(hand: asyncpg.Connection, *, clients: int = 1) -> None:
    """Wait until clients of the server wait for locks; activity would not do, a transaction sees one view of it."""

    async def is_waiting() -> bool:
        return await hand.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") >= clients

    await until(is_waiting)


async def cut_waiting(hand: asyncpg.Connection) -> None:
    """Wait until a client waits for a lock, and cut its connection."""
    await until_waiting(hand)
    await hand.execute(
        "SELECT pg_terminate_backend(pid, 20000) FROM (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted)"
    )


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_a_write_that_was_taken_back_is_tried_again(
    store: SqlFactsStore, hand: asyncpg.Connection, code: str
) -> None:
    """A serialization failure or a deadlock costs time, and the write is made once."""
    await hand.execute(FAILING.format(times=2, code=code))

    assert numbers(await make(store)) == {"acme": 1}
    assert await hand.fetchval("SELECT last_value FROM attempts") == 3
    assert await store.head() == 1


async def test_a_write_is_not_tried_for_ever(store: SqlFactsStore, hand: asyncpg.Connection) -> None:
    """A write that is taken back again and again is given up, with nothing written and the store ready for the next."""
    await hand.execute(FAILING.format(times=4, code="40001"))

    with pytest.raises(StoreUnavailable, match="too busy"):
        await make(store)

    assert await store.tenants() == []
    assert await hand.fetchval("SELECT last_value FROM attempts") == 4
    assert numbers(await make(store)) == {"acme": 1}


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("53100", StoreFull, "the store's disk, or a limit of its space, is full: free space there, then try again"),
        ("53400", StoreFull, "the store's disk, or a limit of its space, is full: free space there, then try again"),
        ("53200", StoreBusy, "the store is too busy; try again"),
        ("57014", StoreBusy, "the store is too busy; try again"),
        ("58000", StoreUnavailable, "the store does not answer"),
    ],
)
async def test_other_failures_are_not_tried_again(
    store: SqlFactsStore, hand: asyncpg.Connection, code: str, kind: type[StoreUnavailable], message: str
) -> None:
    """A failure that a retry can't cure is reported immediately, in our words, by what causes it."""
    await hand.execute(FAILING.format(times=1, code=code))

    with pytest.raises(StoreUnavailable) as failure:
        await make(store)

    assert (type(failure.value), str(failure.value)) == (kind, message)
    assert await hand.fetchval("SELECT last_value FROM attempts") == 1
    assert numbers(await make(store)) == {"acme": 1}


async def test_a_read_only_database_says_so(store: SqlFactsStore, address: str, hand: asyncpg.Connection) -> None:
    """Where the server accepts no writes, reads go on and a write says what to check."""
    await make(store)
    name = address.partition("@/")[2].partition("?")[0]
    await hand.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    limited = await open_store(address)

    with pytest.raises(StoreReadOnly, match=r"^the store accepts no writes: check whether"):
        await alter(limited)

    assert await loaded(limited, "acme") == (TenantFacts("acme"), 1)
    await limited.close()


async def test_a_full_disk_at_the_start_says_so(store: SqlFactsStore, address: str, hand: asyncpg.Connection) -> None:
    """A migration that finds no space names the disk, not the address."""
    async with store._writers.begin() as connection:
        await connection.run_sync(lambda it: downgrade(it, "0007"))
    await hand.execute(
        "CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
        "CREATE EVENT TRIGGER full_disk ON ddl_command_start EXECUTE FUNCTION full_disk()"
    )
    with pytest.raises(StartError, match=r"^the database `.*` has a full disk: free space there$"):
        await open_store(address)


async def test_a_real_deadlock_ends_in_a_write(store: SqlFactsStore, hand: asyncpg.Connection, address: str) -> None:
    """Where another client takes the same locks the other way round, the store's write succeeds after all."""
    await make(store)
    await hand.execute(f"ALTER DATABASE {address.partition('@/')[2].partition('?')[0]} SET deadlock_timeout = '300ms'")
    patient = await open_store(address)
    await hand.execute(GATE + "SET deadlock_timeout = '1h'")
    gate = await asyncpg.connect(address)
    await gate.execute("SELECT pg_advisory_lock(1)")
    async with hand.transaction():
        await hand.execute("UPDATE feed SET head = head")
        writing = asyncio.create_task(alter(patient))
        await until_waiting(gate)
        locking = asyncio.create_task(hand.execute("SELECT FROM tenants FOR UPDATE"))
        await until_waiting(gate, clients=2)
        await gate.execute("SELECT pg_advisory_unlock(1)")
        # Granted once the database has rolled the store's write back.
        await locking

    assert numbers(await writing) == {"acme": 2}
    assert await patient.head() == 2
    await patient.close()
    await gate.close()


async def test_a_lock_is_not_waited_for_without_end(
    address: str, store: SqlFactsStore, hand: asyncpg.Connection
) -> None:
    """Past the server's lock timeout, which the address may set, a write is given up and nothing is written."""
    await make(store)
    hasty = await open_store(address + "&lock_timeout=50")
    async with hand.transaction():
        await hand.execute("SELECT FROM tenants FOR UPDATE")
        with pytest.raises(StoreUnavailable):
            await alter(hasty)

    assert await loaded(hasty, "acme") == (TenantFacts("acme"), 1)
    await hasty.close()


async def test_what_a_broken_connection_was_at_is_done_on_another(
    store: SqlFactsStore, hand: asyncpg.Connection
) -> None:
    """A write whose connection is cut is still made once, and idle connections that were cut cause no failure."""
    await make(store)
    async with hand.transaction():
        await hand.execute("SELECT FROM tenants FOR UPDATE")
        writing = asyncio.create_task(alter(store))
        await cut_waiting(hand)
        await until_waiting(hand)
    assert numbers(await writing) == {"acme": 2}

    await hand.execute(CUT)

    assert await loaded(store, "acme") == (TenantFacts("acme", pack="standard"), 2)


async def test_a_write_that_is_cut_again_is_given_up(store: SqlFactsStore, hand: asyncpg.Connection) -> None:
    """What breaks its second connection, too, writes nothing and says so."""
    await make(store)
    async with hand.transaction():
        await hand.execute("SELECT FROM tenants FOR UPDATE")
        writing = asyncio.create_task(alter(store))
        await cut_waiting(hand)
        await cut_waiting(hand)
        with pytest.raises(StoreUnavailable, match=r"^the store does not answer$"):
            await writing

    assert numbers(await alter(store)) == {"acme": 2}


async def test_a_commit_whose_answer_is_lost_is_not_tried_again(store: SqlFactsStore) -> None:
    """Whether it was made is then unknown, so this is reported, and the retry is left to the client."""
    await make(store)
    commits = []

    def cut(connection: Connection) -> None:
        commits.append(connection)
        connection.connection.driver_connection.terminate()

    event.listen(store._writers.sync_engine, "commit", cut)
    with pytest.raises(StoreUnavailable, match=r"^the store does not answer$"):
        await alter(store)
    event.remove(store._writers.sync_engine, "commit", cut)

    assert len(commits) == 1
    assert numbers(await alter(store)) == {"acme": 2}


async def test_a_server_that_went_away_is_found_again(postgres: PostgresServer, store: SqlFactsStore) -> None:
    """While the server is down every call says so; when it is back the same store works, with all that was written."""
    await make(store)
    postgres.stop()
    try:
        for call in (store.head(), store.load("acme"), store.secret("one"), make(store)):
            with pytest.raises(StoreUnavailable, match=r"^the store does not answer$"):
                await call
    finally:
        postgres.start()

    assert await loaded(store, "acme") == (TenantFacts("acme"), 1)


async def test_a_silent_database_is_given_up(
    postgres: PostgresServer, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that takes what is sent and never answers holds up no call and no end; when it speaks all is well."""
    for module, name in (
        (postgresql, "_CONNECT_SECONDS"),
        (postgresql, "_STATEMENT_SECONDS"),
        (engines, "_CLOSING_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 2.0)
    async with faulty_link(postgres.directory / ".s.PGSQL.5432", tmp_path / ".s.PGSQL.5432") as link:
        through = f"{address.partition('?')[0]}?host={tmp_path}"
        store = await open_store(through)
        await make(store)
        link.silence()
        for call in (store.head(), store.load("acme"), make(store)):
            with pytest.raises(StoreUnavailable, match=r"^the store does not answer$"):
                await call
        link.mend()
        assert await loaded(store, "acme") == (TenantFacts("acme"), 1)
        link.silence()
        await store.close()


async def test_a_password_opens_the_store_and_is_never_shown(postgres: PostgresServer, address: str) -> None:
    """The right password opens; the error for a wrong one shows no password, user or parameters, nor does any other."""
    name = address.partition("@/")[2].partition("?")[0]
    password = "p@ss:w/rd?#"
    await postgres.execute(f"CREATE ROLE keeper LOGIN PASSWORD '{password}'; ALTER DATABASE {name} OWNER TO keeper")
    try:
        escaped = "p%40ss%3Aw%2Frd%3F%23"
        store = await open_store(postgres.address(name, user=f"keeper:{escaped}"))
        assert numbers(await make(store)) == {"acme": 1}
        assert repr(store) == f"SqlFactsStore('postgresql:///{name}')"
        await store.close()
        for user in (f"keeper:{escaped}x", "stranger:p%40ss"):
            with pytest.raises(StartError) as refusal:
                await open_store(postgres.address(name, user=user))
            assert str(refusal.value) == f"the database `postgresql:///{name}` refuses the password"
    finally:
        await postgres.execute(f"ALTER DATABASE {name} OWNER TO postgres")
        await postgres.execute("DROP OWNED BY keeper", database=name)
        await postgres.execute("DROP ROLE keeper")


async def test_what_can_not_be_opened_is_one_sentence(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is not there, a server that is not there, and one that never answers."""
    monkeypatch.setattr(postgresql, "_CONNECT_SECONDS", 2.0)
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(tmp_path / ".s.PGSQL.5432"))
    silent.listen()
    cases = {
        postgres.address("nowhere"): "the database `postgresql:///nowhere` is not there",
        f"postgresql:///facts?host={tmp_path}": "the database `postgresql:///facts` does not answer",
        f"postgresql:///facts?host={tmp_path}/none": "the database `postgresql:///facts` does not answer",
        "postgresql://me:secret@db:notaport/facts": "must be a URL such as",
    }
    for case, complaint in cases.items():
        with pytest.raises(StartError, match=re.escape(complaint)) as refusal:
            await open_store(case)
        assert "secret" not in str(refusal.value)
        assert "\n" not in str(refusal.value)
    silent.close()


async def test_a_database_of_another_schema_is_refused(address: str, hand: asyncpg.Connection) -> None:
    """A newer schema, and another application's tables, are left alone."""
    await hand.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StartError, match="has the schema `9999`, newer than this version knows"):
        await open_store(address)

    await hand.execute(f"DROP TABLE {VERSION_TABLE}")
    with pytest.raises(StartError, match="holds tables of something else"):
        await open_store(address)


async def test_no_query_needs_to_read_a_whole_table(store: SqlFactsStore) -> None:
    """Every statement of loading, following and writing can find its rows by a key or an index."""
    with statements(store) as sent:
        await use_in_every_way(store)

    plans: dict[str, str] = {}
    async with store._writers.connect() as connection:
        # The tables are small here, where reading them whole is cheapest: it is made dear.
        await connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in sent.items():
            rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            plans[statement] = "\n".join(row[0] for row in rows)

    assert len(plans) > 20
    assert {statement: plan for statement, plan in plans.items() if "Seq Scan" in plan} == {}


async def test_each_execution_is_planned_for_its_tenant(store: SqlFactsStore) -> None:
    """However often a statement is sent, the server never falls back on one plan for all tenants."""
    await make(store)
    for _ in range(8):
        await store.members("acme", MemberQuery(role="member"), after="", limit=5)

    async with store._readers.connect() as connection:
        kinds = "SELECT max(custom_plans), sum(generic_plans) FROM pg_prepared_statements"
        with_parameters = f"{kinds} WHERE cardinality(parameter_types) > 0"
        most, generic = (await connection.exec_driver_sql(with_parameters)).one()
    assert (most >= 8, generic) == (True, 0)
