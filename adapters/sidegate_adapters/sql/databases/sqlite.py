"""SQLite: one file, whose writers wait for one another at the start of each write."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sidegate.errors import StartError
from sidegate_adapters.sql.databases.engines import ANY, Engines, migrate
from sidegate_adapters.sql.databases.errors import sqlite_name
from sidegate_adapters.sql.databases.sqlite_stats import store_sizes

_BEGIN = "sidegate_begin"
_READING = {_BEGIN: "BEGIN"}
# A transaction that reads first and locks at its first write can fail halfway; this one waits at its start.
_WRITING = {_BEGIN: "BEGIN IMMEDIATE"}
_BUSY_MILLISECONDS = 10_000
_PAUSES = (0.05,) * 200


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...
    def close(self) -> None: ...


class _DriverConnection(Protocol):
    def cursor(self) -> _Cursor: ...
    def close(self) -> None: ...


async def opened(address: str) -> Engines:
    """Return the engines of the migrated database in the file that the address names.

    Raises:
        StartError: the address names no database that can be used, or one with a newer schema.
    """
    database = _database(address)
    await asyncio.to_thread(_require_file, database)
    engine = _engine(address)
    readers, writers = (engine.execution_options(**options) for options in (_READING, _WRITING))
    engines = Engines(readers, writers, single=readers, width=1, address=address)
    try:
        await _log_ahead(engine)
        await migrate(engines.writers)
        async with engines.writers.begin() as connection:
            await connection.run_sync(store_sizes)
    except (SQLAlchemyError, OSError) as error:
        await engine.dispose()
        raise StartError(_complaint(database, error)) from error
    except BaseException:
        await engine.dispose()
        raise
    return engines


def files(address: str) -> tuple[Path, ...]:
    """Return the file of the database and those that SQLite writes beside it, as far as they exist."""
    database = _database(address)
    paths = (Path(f"{database}{suffix}") for suffix in ("", "-wal", "-shm"))
    return tuple(path for path in paths if path.is_file())


def _database(address: str) -> str:
    try:
        return make_url(address).database or ""
    except (ArgumentError, ValueError) as error:
        raise StartError("the store's address must be a URL such as `sqlite:///facts.db`") from error


def _require_file(database: str) -> None:
    """Require a file that SQLite can open; the async driver's thread would still speak after such a failure."""
    if database in {"", ":memory:"}:
        raise StartError("the store's address must name a file, such as `sqlite:///facts.db`")
    path = Path(database)
    if path.is_dir():
        raise StartError(f"the database `{database}` is a directory: name a file in it")
    if not path.parent.is_dir():
        raise StartError(f"the directory `{path.parent}` of the database does not exist: make it first")
    # SQLite itself would let everyone read the file; those that it writes beside it get the same mode.
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        if sqlite_name(error) != "SQLITE_BUSY":
            raise StartError(_complaint(database, error)) from error


def _engine(address: str) -> AsyncEngine:
    # Without an isolation level the driver begins nothing by itself: each transaction begins as its engine asks.
    url = make_url(address).set(drivername="sqlite+aiosqlite")
    engine = create_async_engine(url, connect_args={"isolation_level": None}, **ANY)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(connection: _DriverConnection, _record: object) -> None:
    """Apply the settings that SQLite has per connection.

    FULL syncs the log at each commit: under NORMAL a loss of power could take the last commits back, and a
    revocation that was acknowledged must not come undone.
    """
    try:
        cursor = connection.cursor()
        for pragma in (f"busy_timeout = {_BUSY_MILLISECONDS}", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except Exception:
        # The pool does not know this connection yet, so its thread must be ended here.
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
            if pause is None or sqlite_name(error) != "SQLITE_BUSY":
                raise
            await asyncio.sleep(pause)
        else:
            return


def _complaint(database: str, error: Exception) -> str:
    match sqlite_name(error):
        case "SQLITE_NOTADB" | "SQLITE_CORRUPT":
            return f"the file `{database}` is not a database, or is damaged: name another file"
        case "SQLITE_FULL" | "SQLITE_IOERR_WRITE" | "SQLITE_IOERR_SHMSIZE":
            return f"the disk of the database `{database}`, or a limit of its space, is full: free space there"
        case name if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR")):
            return f"the database `{database}` can't be written: check the rights of the file and its directory"
        case "SQLITE_BUSY":
            return f"the database `{database}` is held by another process: stop it first"
        case _:
            return f"the database `{database}` does not answer: check its address and whether it runs"
