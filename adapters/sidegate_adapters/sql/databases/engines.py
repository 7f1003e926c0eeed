"""The engines of one database: for reads, for writes and for single statements, on the same connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from sidegate_adapters.sql import schema

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def _json(value: object) -> str:
    # Most of what a bulk write stores are grants, whose payload is empty.
    return "{}" if value == {} else _ENCODER.encode(value)


# What is no JSON for others is refused at the write; a pool without a free connection answers, it does not hang.
ANY: Mapping[str, Any] = {
    "json_serializer": _json,
    "pool_timeout": 5,
}

_CLOSING_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Engines:
    """How the store reaches one database.

    `readers` begins transactions that see one consistent view, `writers` transactions that exclude other writers;
    each statement of `single` is a transaction of its own.
    At most `width` writes run at the same time. `address` names the database in messages, without any secret.
    """

    readers: AsyncEngine
    writers: AsyncEngine
    single: AsyncEngine
    width: int
    address: str


async def migrate(engine: AsyncEngine) -> None:
    """Bring the database to the newest schema, in one transaction."""
    async with engine.begin() as connection:
        await connection.run_sync(schema.upgrade)


async def dispose(engine: AsyncEngine) -> None:
    """Release all connections; don't wait for a database that does not answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSING_SECONDS):
            await engine.dispose()
