"""Ranges of keys that have several columns, for pages that begin after one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, RowMapping, Select, and_
from sqlalchemy.ext.asyncio import AsyncConnection


def beyond(columns: Sequence[Column[Any]], values: Sequence[Any]) -> list[ColumnElement[bool]]:
    """Return the parts of what comes after a key, whether or not there is such a row; "" comes before everything."""
    parts: list[ColumnElement[bool]] = []
    for length in range(len(columns), 0, -1):
        same = (column == value for column, value in zip(columns, values[: length - 1], strict=False))
        parts.append(and_(*same, columns[length - 1] > values[length - 1]))
    return parts


async def rows_in_parts(
    connection: AsyncConnection,
    ordered: Select[*tuple[Any, ...]],
    parts: Sequence[ColumnElement[bool]],
    *,
    limit: int,
) -> list[RowMapping]:
    """Return up to `limit` rows of a range, whose parts come one after the other and are plain ranges of the key.

    In one comparison of all columns PostgreSQL sees the first alone, takes what is left for little, and sorts it all.
    """
    found: list[RowMapping] = []
    for part in parts:
        found += (await connection.execute(ordered.where(part).limit(limit - len(found)))).mappings().all()
        if len(found) == limit:
            break
    return found
