"""How SQLite answers what history asks: by an index in the order of the page, never by a scan or a sort."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from sidegate.model.change import ChangeQuery, EntryKind
from sidegate.model.facts import Member, TenantFacts
from sidegate.model.quota import Period, UsageQuery
from sidegate_adapters.sql import SqlFactsStore, open_store
from support.facts.changes import changes_between

NOW = datetime.now(UTC)
CONDITIONS = [
    ({}, "ix_changes_tenant_sequence"),
    ({"entity": EntryKind.GRANT}, "ix_changes_tenant_entity_sequence"),
    ({"actor": "member:uma"}, "ix_changes_tenant_actor_sequence"),
    ({"caller": "orders-service"}, "ix_changes_tenant_caller_sequence"),
    ({"subjects": ("member:uma",)}, "PRIMARY KEY (tenant=? AND subject=?"),
    ({"actor_group": "sales"}, "PRIMARY KEY (tenant=? AND subject=?"),
    ({"subjects": ("member:uma",), "actor_group": "sales"}, "PRIMARY KEY (tenant=? AND subject=?"),
    ({"subjects": ("member:uma", "role:admin")}, "PRIMARY KEY (tenant=? AND subject=?"),
    (
        {"subjects": ("member:uma",), "entity": EntryKind.GRANT, "actor": "platform"},
        "PRIMARY KEY (tenant=? AND subject=?",
    ),
]
TIMES: list[dict[str, Any]] = [{}, {"since": NOW}, {"until": NOW}, {"since": NOW, "until": NOW}]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlFactsStore]:
    opened = await open_store(f"sqlite:///{tmp_path / 'facts.db'}")
    changes = changes_between(None, TenantFacts("acme", members={"uma": Member("uma")}))
    await opened.write({"acme": changes}, expected={}, actor="platform")
    yield opened
    await opened.close()


async def plans(store: SqlFactsStore, call: Any) -> list[list[str]]:
    """Return the plan of each query that a call sends."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    event.listen(store._readers.sync_engine, "before_cursor_execute", note)
    await call
    event.remove(store._readers.sync_engine, "before_cursor_execute", note)
    async with store._readers.connect() as connection:
        return [
            [row[-1] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in sent
        ]


@pytest.mark.parametrize(("conditions", "index"), CONDITIONS)
async def test_each_condition_has_its_index(store: SqlFactsStore, conditions: dict[str, Any], index: str) -> None:
    """Whatever is asked, in either order, with or without times, from the start or further on, an index leads to it."""
    for times, oldest_first, after in product(TIMES, (False, True), (0, 5)):
        query = ChangeQuery(**conditions, **times, oldest_first=oldest_first)
        found = await plans(store, store.history("acme", query, after=after, limit=5))
        flat = [step for plan in found for step in plan]
        assert not any("SCAN" in step or "TEMP B-TREE" in step for step in flat), (query, found)
        if not times:
            assert any(index in step for step in found[-1]), (query, found)


async def test_the_past_is_read_in_one_range(store: SqlFactsStore) -> None:
    """A state, and the revision of a time, are read along an index of the tenant."""
    calls = (store.load_at("acme", 1), store.revision_at("acme"), store.revision_at("acme", NOW))
    for call in calls:
        for plan in await plans(store, call):
            assert not any("SCAN" in step or "TEMP B-TREE" in step for step in plan), plan


@pytest.mark.parametrize("period", Period)
@pytest.mark.parametrize("holder", ["", "member:uma"])
async def test_the_use_of_quota_is_read_in_one_range(store: SqlFactsStore, period: Period, holder: str) -> None:
    """The days of one holder, or of all, are a range of an index in the order of the page, from wherever it begins.

    Within one week or month the holders are sorted, so that no page reads more than that.
    """
    state = TenantFacts("globex", members={"uma": Member("uma", quota=3)})
    await store.write({"globex": changes_between(None, state)}, expected={}, actor="platform")
    for times, after in product(TIMES, ((date.min, ""), (date(2020, 1, 1), "member:a"))):
        query = UsageQuery(holder, **times, period=period)
        found = await plans(store, store.quota_totals("globex", query, after=after, limit=5))
        flat = [step for plan in found for step in plan]
        assert not any("SCAN" in step for step in flat), found
        assert sum("TEMP B-TREE" in step for step in flat) <= (period is not Period.DAY), found
        index = "PRIMARY KEY (tenant=? AND holder=? AND day" if holder else "ix_quota_days_tenant_day_holder (tenant=?"
        assert any(index in step for step in flat), found


async def test_a_look_at_the_feed_reads_what_is_new_and_nothing_else(store: SqlFactsStore) -> None:
    """However long the feed is, a look begins at the anchor, in the order of the table itself."""
    *_, plan = await plans(store, store.feed(2, limit=10))
    assert any("SEARCH changes USING INTEGER PRIMARY KEY (rowid>?)" in step for step in plan), plan
    assert not any(step.startswith("SCAN changes") for step in plan), plan
