"""What a database does for each statement of a call: its plan, and how much it reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate_adapters.sql import SqlFactsStore

_LOOKING = ("SELECT", "UPDATE", "DELETE", "WITH")


@dataclass(frozen=True, slots=True)
class Done:
    """One statement: its plan, a line per step, and its work: rows and pages on PostgreSQL, operations on SQLite."""

    statement: str
    plan: str
    work: int


async def done_for(store: SqlFactsStore, call: Callable[[], Awaitable[object]]) -> list[Done]:
    """Return what the database does for each statement of a call that looks for rows; the call itself is made once."""
    with _sent(store) as sent:
        await call()
    # PostgreSQL makes a change to explain it, which is taken back; on SQLite this connection may hold no lock.
    on_sqlite = store._readers.dialect.name == "sqlite"
    explain = _on_sqlite if on_sqlite else _on_postgresql
    async with (store._readers if on_sqlite else store._writers).connect() as connection:
        done = [await explain(connection, statement, parameters) for statement, parameters in sent]
        await connection.rollback()
    return done


@contextmanager
def _sent(store: SqlFactsStore) -> Iterator[list[tuple[str, Any]]]:
    """Note the statements that a store sends, each with the first of its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith(_LOOKING):
            sent.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    engines = {engine.sync_engine for engine in (store._readers, store._writers, store._single)}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield sent
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


async def _on_sqlite(connection: AsyncConnection, statement: str, parameters: Any) -> Done:
    rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    plan = "\n".join(row[-1] for row in rows)
    database = connection.engine.url.database
    assert database is not None
    operations = 0

    def count() -> None:
        nonlocal operations
        operations += 1

    with closing(sqlite3.connect(database, isolation_level=None)) as own:
        own.execute("BEGIN")
        own.set_progress_handler(count, 1)
        own.execute(statement, parameters).fetchall()
        own.set_progress_handler(None, 0)
        own.rollback()
    return Done(statement, plan, operations)


async def _on_postgresql(connection: AsyncConnection, statement: str, parameters: Any) -> Done:
    explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}"
    # PostgreSQL prefers to scan a small table; this makes it scan only where no index fits.
    await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    (explained,) = (await connection.exec_driver_sql(explain, parameters)).scalar_one()
    root = explained["Plan"]
    pages = root["Shared Hit Blocks"] + root["Shared Read Blocks"]
    steps = [*_steps(root)]
    return Done(statement, "\n".join(text for text, _ in steps), pages + sum(rows for _, rows in steps))


def _steps(step: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield each step of a plan as text, with the rows that it read, also those that it threw away."""
    thrown = sum(count for name, count in step.items() if name.startswith("Rows Removed"))
    named = ("Index Name", "Relation Name", "Sort Key", "Index Cond", "Filter", "Join Filter")
    details = " ".join(f"{name}={step[name]}" for name in named if name in step)
    yield f"{step['Node Type']} {details}", int((step["Actual Rows"] + thrown) * step["Actual Loops"])
    for inner in step.get("Plans", ()):
        yield from _steps(inner)
