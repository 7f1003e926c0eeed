"""The schema's migrations, on every database that the store runs on."""

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect

from sidegate.model.change import ChangeQuery
from sidegate.model.facts import Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.page import MemberQuery, Relation
from sidegate_adapters.sql import SqlFactsStore, open_store, schema
from sidegate_adapters.sql.tables import metadata
from support.facts.changes import changes_between
from support.facts.revisions import loaded, numbered

FACTS = TenantFacts(
    "acme",
    settings={"seats": 3},
    members={"uma": Member("uma", email="Ümit@acme.example")},
    groups={"sales": Group("sales", "Sales", frozenset({"member:uma"}))},
    resources={"document:d1": StoredResource("document", "d1", frozenset({"group:sales"}))},
    grants=frozenset({Grant("owner", "document:d1", "member:uma")}),
)


def difference(connection: Connection) -> list[object]:
    """Return what Alembic would change to bring the database to the tables as they are described."""
    options = {"version_table": schema.VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    return [*compare_metadata(MigrationContext.configure(connection, opts=options), metadata)]


async def test_the_migrated_database_is_the_described_one(store: SqlFactsStore) -> None:
    """The migrations lead to exactly the tables, columns, keys and indexes of the metadata."""
    async with store._readers.connect() as connection:
        assert await connection.run_sync(difference) == []


async def test_the_newest_version_is_named(store: SqlFactsStore) -> None:
    """Migrations end at `HEAD`, by which a database of the newest schema is opened without them."""
    async with store._readers.connect() as connection:
        assert await connection.run_sync(schema.version) == schema.HEAD


async def test_the_way_down_and_up_again_works_with_data(address: str, store: SqlFactsStore) -> None:
    """From a database with facts the migrations go down to nothing and up to a store that works."""
    await store.write({"acme": changes_between(None, FACTS)}, expected={"acme": 0}, actor="platform")

    async with store._writers.begin() as connection:
        await connection.run_sync(lambda it: schema.downgrade(it, "base"))
        left = await connection.run_sync(lambda it: inspect(it).get_table_names())
    reopened = await open_store(address)

    assert left == [schema.VERSION_TABLE]
    assert await reopened.load("acme") is None
    await reopened.write({"acme": changes_between(None, FACTS)}, expected={"acme": 0}, actor="platform")
    assert await loaded(reopened, "acme") == (FACTS, 1)
    await reopened.close()


async def test_each_step_down_and_up_keeps_the_facts(address: str, store: SqlFactsStore) -> None:
    """From the first schema the next start leads up to the same facts and history, and what members are found by."""
    await store.write({"acme": changes_between(None, FACTS)}, expected={"acme": 0}, actor="platform")
    secret = await store.secret("one")
    named = ("tenant:acme", "member:uma", "group:sales", "role:owner", "document:d1", "member:nobody")
    recorded = [await store.history("acme", ChangeQuery((subject,)), after=0, limit=9) for subject in named]

    async with store._writers.begin() as connection:
        await connection.run_sync(lambda it: schema.downgrade(it, "0001"))
        below = await connection.run_sync(schema.version)
        assert "deployment" not in await connection.run_sync(lambda it: inspect(it).get_table_names())
    reopened = await open_store(address)

    assert below == "0001"
    assert await loaded(reopened, "acme") == (FACTS, 1)
    assert [len(changes) for changes in recorded] == [1, 3, 2, 1, 2, 0]
    assert recorded == [await reopened.history("acme", ChangeQuery((subject,)), after=0, limit=9) for subject in named]
    assert await reopened.secret("one") != secret
    found, _ = await reopened.related("acme", Relation.EMAIL, ["ümit@acme.example"])
    assert [key for _, key in found] == [("uma",)]
    await reopened.close()


async def test_the_step_to_counted_seats_counts_them(address: str, store: SqlFactsStore) -> None:
    """From members that were never counted and folded, the step up leads to their seats and to lists by any text."""
    people = {id_: Member(id_, name=f"Ünal {id_}") for id_ in map("m{}".format, range(1_200))}
    facts = TenantFacts("acme", members={**people, "z": Member("z", MemberStatus.INACTIVE, name="Zoë")})
    one = {"uma": Member("uma", MemberStatus.PENDING)}
    changes = {
        "acme": changes_between(None, facts),
        "globex": changes_between(None, TenantFacts("globex", members=one)),
    }
    await store.write({**changes, "empty": changes_between(None, TenantFacts("empty"))}, expected={}, actor="platform")

    async with store._writers.begin() as connection:
        await connection.run_sync(lambda it: schema.downgrade(it, "0005"))
    reopened = await open_store(address)

    seats = [await numbered(reopened.seats(tenant)) for tenant in ("acme", "globex", "empty")]
    assert seats == [(1_200, 1), (1, 1), (0, 1)]
    for text, expected in (("ZOË", ["z"]), ("ÜNAL M1199", ["m1199"])):
        found, _ = await reopened.members("acme", MemberQuery(text=text), after="", limit=9)
        assert [record.member.id for record in found] == expected
    await reopened.close()


async def test_opening_again_keeps_the_data(address: str, store: SqlFactsStore) -> None:
    """A database that is at the newest schema is opened as it is."""
    await store.write({"acme": changes_between(None, FACTS)}, expected={"acme": 0}, actor="platform")
    await store.close()

    reopened = await open_store(address)

    assert await loaded(reopened, "acme") == (FACTS, 1)
    await reopened.close()


async def test_many_that_open_a_fresh_database_at_once_all_open(address: str) -> None:
    """Servers that start together on one new database wait for one another's migration."""
    stores = await asyncio.gather(*(open_store(address) for _ in range(6)))

    assert [await store.head() for store in stores] == [0] * 6
    for store in stores:
        await store.close()
