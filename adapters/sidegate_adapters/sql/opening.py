"""Opening a store: from a URL to a migrated database, with engines that begin their transactions rightly."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sidegate.errors import StartError
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sidegate_adapters.sql import schema
from sidegate_adapters.sql.store import SqlFactsStore

_BEGIN = "sidegate_begin"
_BUSY_MILLISECONDS = 10_000
_PAUSES = (0.05,) * 200
# What is no JSON for others is refused at the write; a pool without a free connection answers, it does not hang.
_ANY: Mapping[str, Any] = {
    "json_serializer": json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode,
    "pool_timeout": 5,
}


@dataclass(frozen=True, slots=True)
class _Backend:
    """How one kind of database is reached: its async driver, and what its reading and writing connections ask for."""

    driver: str
    reading: Mapping[str, Any]
    writing: Mapping[str, Any]
    width: int


_BACKENDS: Mapping[str, _Backend] = {
    "sqlite": _Backend(
        driver="sqlite+aiosqlite",
        reading={_BEGIN: "BEGIN"},
        # A transaction that reads first and locks at its first write can fail halfway; this one waits at its start.
        writing={_BEGIN: "BEGIN IMMEDIATE"},
        width=1,
    ),
    "postgresql": _Backend(
        driver="postgresql+asyncpg",
        reading={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
        writing={"isolation_level": "READ COMMITTED"},
        width=4,
    ),
}


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...
    def close(self) -> None: ...


class _DriverConnection(Protocol):
    def cursor(self) -> _Cursor: ...
    def close(self) -> None: ...


async def open_store(url: str) -> SqlFactsStore:
    """Open the store at a URL such as `sqlite:////var/lib/sidegate/facts.db`, its schema brought to the newest.

    Raises:
        StartError: the URL names no database that can be used, or one with a newer schema.
    """
    parsed, backend = _parsed(url)
    if backend is _BACKENDS["sqlite"]:
        await asyncio.to_thread(_require_file, parsed)
    engine = _engine(parsed, backend)
    readers, writers = (engine.execution_options(**options) for options in (backend.reading, backend.writing))
    try:
        if backend is _BACKENDS["sqlite"]:
            await _log_ahead(engine)
        async with writers.begin() as connection:
            await connection.run_sync(schema.upgrade)
    except (SQLAlchemyError, OSError) as error:
        await engine.dispose()
        raise _unusable(parsed, error) from error
    except BaseException:
        await engine.dispose()
        raise
    return SqlFactsStore(readers, writers, width=backend.width)


def _parsed(url: str) -> tuple[URL, _Backend]:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The text itself may hold a password, so it is not repeated.
        raise StartError("the store's address must be a URL such as `sqlite:///facts.db`") from error
    scheme = parsed.get_backend_name()
    backend = _BACKENDS.get(scheme)
    if backend is None:
        raise StartError(f"the store's address starts with `{scheme}`: it must be one of {', '.join(_BACKENDS)}")
    return parsed.set(drivername=backend.driver), backend


def _require_file(url: URL) -> None:
    """Require a file that SQLite can open; the async driver's thread would still speak after such a failure."""
    database = url.database or ""
    if database in {"", ":memory:"}:
        raise StartError("the store's address must name a file, such as `sqlite:///facts.db`")
    path = Path(database)
    if path.is_dir():
        raise StartError(f"the database `{database}` is a directory: name a file in it")
    if not path.parent.is_dir():
        raise StartError(f"the directory `{path.parent}` of the database does not exist: make it first")
    try:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        if _sqlite_name(error) != "SQLITE_BUSY":
            raise _unusable(url, error) from error


def _engine(url: URL, backend: _Backend) -> AsyncEngine:
    if backend is not _BACKENDS["sqlite"]:
        try:
            return create_async_engine(url, pool_pre_ping=True, **_ANY)
        except ImportError as error:
            raise StartError(f"the driver of `{url.get_backend_name()}` is not installed") from error
    # Without an isolation level the driver begins nothing by itself: each transaction begins as its engine asks.
    engine = create_async_engine(url, connect_args={"isolation_level": None}, **_ANY)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(connection: _DriverConnection, _record: object) -> None:
    """Set what SQLite keeps per connection.

    FULL syncs the log at each commit: under NORMAL a loss of power could take the last commits back, and a
    revocation that was acknowledged must not come undone.
    """
    try:
        cursor = connection.cursor()
        for pragma in (f"busy_timeout = {_BUSY_MILLISECONDS}", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except Exception:
        # The pool does not know this connection yet, so nobody else would end its thread.
        connection.close()
        raise


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get(_BEGIN)
    if statement is not None:
        connection.exec_driver_sql(statement)


async def _log_ahead(engine: AsyncEngine) -> None:
    """Bring the file to write-ahead logging, where it stays: reads then go on beside a write."""
    for pause in (*_PAUSES, None):
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except OperationalError as error:
            # SQLite does not wait for the locks of this one statement, which another opener of the file may hold.
            if pause is None or _sqlite_name(error) != "SQLITE_BUSY":
                raise
            await asyncio.sleep(pause)
        else:
            return


def _sqlite_name(error: Exception) -> str:
    name: str = getattr(getattr(error, "orig", error), "sqlite_errorname", "")
    return name


def _unusable(url: URL, error: Exception) -> StartError:
    place = f"`{url.database}`" if url.get_backend_name() == "sqlite" else f"`{url.render_as_string()}`"
    match _sqlite_name(error):
        case "SQLITE_NOTADB" | "SQLITE_CORRUPT":
            return StartError(f"the file {place} is not a database, or is damaged: name another file")
        case name if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR")):
            return StartError(f"the database {place} can't be written: check the rights of the file and its directory")
        case "SQLITE_BUSY":
            return StartError(f"the database {place} is held by another process: stop it first")
        case _:
            return StartError(f"the database {place} does not answer: check its address and whether it runs")
