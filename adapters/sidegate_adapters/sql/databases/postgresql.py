"""PostgreSQL: a server that many sidecars share, reached as its address says to any of its clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sidegate.errors import StartError
from sidegate.model.store_address import redacted
from sidegate_adapters.sql.databases.engines import ANY, Engines, dispose, migrate
from sidegate_adapters.sql.databases.errors import sqlstate

_READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
# Each write locks the tenants it depends on; under this level it then sees what was committed before it got the locks.
_WRITING = {"isolation_level": "READ COMMITTED"}
# A single statement sees one view anyway, and is frequent: it needs no explicit transaction.
_SINGLE = {"isolation_level": "AUTOCOMMIT"}
_WIDTH = 4
# Connections stay open: opening one costs more than many writes. The last used is taken first, for its prepared plans.
_POOL: Mapping[str, Any] = {"pool_size": 15, "max_overflow": 0, "pool_use_lifo": True}
_CONNECT_SECONDS = 5
_STATEMENT_SECONDS = 15
SETTINGS: Mapping[str, str] = {
    "application_name": "sidegate",
    # The server gives up before this side does, and says why.
    "lock_timeout": "10s",
    # A sidecar whose machine was lost during a write would hold its locks until the server notices.
    "idle_in_transaction_session_timeout": "60s",
    # Statements here are small and many: compiling one costs more than it saves.
    "jit": "off",
    # From a statement's sixth execution on the server would use one generic plan for all tenants: a page of a large
    # tenant took two hundred milliseconds instead of one.
    "plan_cache_mode": "force_custom_plan",
}
_COMPLAINTS: Mapping[str, str] = {
    "28P01": "refuses the password",
    "28000": "refuses the user: check its name, and whether the server asks for TLS",
    "3D000": "is not there: make it with `CREATE DATABASE`",
    "42501": "can't be written: the user needs the right to create tables in its schema",
    "25006": "can't be written: it is a standby, or read-only",
    "53100": "has a full disk: free space there",
    "53200": "has no memory left: look into its log",
    "57P03": "is starting or stopping, or is a standby without connections: try again later",
    "53300": "has no connection left: raise its limit, or run fewer sidecars",
}


async def opened(address: Callable[[], str]) -> Engines:
    """Return the engines of the migrated database that the address names; each connection asks for it.

    Raises:
        StartError: the address names no database that can be used, or one with a newer schema.
    """
    # Without a lock timeout: another server may be running a long migration, which this one waits for.
    patient = _engine(address, settings={"lock_timeout": "0"}, statement_seconds=None)
    try:
        await migrate(patient)
    except (SQLAlchemyError, OSError, ValueError, TypeError) as error:
        raise StartError(_complaint(address(), error)) from error
    finally:
        await dispose(patient)
    engine = _engine(address)
    readers, writers, single = (engine.execution_options(**options) for options in (_READING, _WRITING, _SINGLE))
    return Engines(readers, writers, single, width=_WIDTH, address=redacted(address()))


async def connect(
    address: str, *, settings: Mapping[str, str] = SETTINGS, statement_seconds: float | None = _STATEMENT_SECONDS
) -> Any:
    """Open a connection of the driver's own, which reads the address as all clients of PostgreSQL do."""
    given = parse_qs(urlsplit(address).query)
    return await asyncpg.connect(
        address,
        timeout=_CONNECT_SECONDS,
        command_timeout=statement_seconds,
        server_settings={name: value for name, value in settings.items() if name not in given},
    )


def _engine(address: Callable[[], str], **options: Any) -> AsyncEngine:
    async def connecting() -> Any:
        return await connect(address(), **options)

    return create_async_engine("postgresql+asyncpg://", async_creator=connecting, **_POOL, **ANY)


def _complaint(address: str, error: Exception) -> str:
    place = f"the database `{redacted(address)}`"
    if not isinstance(error, SQLAlchemyError | OSError):
        return f"the store's address must be a URL such as `postgresql://user:password@host/database`: {place} is none"
    meaning = _COMPLAINTS.get(sqlstate(error), "does not answer: check its address and whether it runs")
    return f"{place} {meaning}"
