"""Statements that are sent for many rows; each is built once, which costs more than to send it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sqlalchemy import Executable, Table, bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate_adapters.sql.batches import batches
from sidegate_adapters.sql.entry_rows import Row, require_storable

_BATCH = 1_000
"""Rows per statement; between two of them the event loop serves others."""


async def execute_many(connection: AsyncConnection, statement: Executable, rows: Iterable[Row]) -> None:
    """Execute a statement for each row.

    Raises:
        InvalidInput: a row holds what can't be stored.
    """
    for batch in batches(rows, _BATCH):
        for row in batch:
            require_storable(row)
        await connection.execute(statement, batch)


@cache
def upsert(dialect: str, table: Table) -> Executable:
    """Return the statement that inserts a row, or updates it except for its key, `created_at` and `last_access_at`."""
    insert_or = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert_or(table)
    unchanged = {*table.primary_key.columns.keys(), "created_at", "last_access_at"}
    altered = {column.name: statement.excluded[column.name] for column in table.c if column.name not in unchanged}
    if not altered:
        return statement.on_conflict_do_nothing()
    return statement.on_conflict_do_update(index_elements=table.primary_key.columns, set_=altered)


@cache
def removal(table: Table, *names: str) -> Executable:
    """Return the statement that removes the rows with given values in these columns."""
    return delete(table).where(*(table.c[name] == bindparam(name) for name in names))
