"""Opening a store: from a URL to a migrated database, with engines that begin their transactions rightly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sidegate.errors import StartError
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sidegate_adapters.sql import schema
from sidegate_adapters.sql.store import SqlFactsStore

_BEGIN = "sidegate_begin"
_BUSY_MILLISECONDS = 10_000


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


async def open_store(url: str) -> SqlFactsStore:
    """Open the store at a URL such as `sqlite:////var/lib/sidegate/facts.db`, its schema brought to the newest.

    Raises:
        StartError: the URL names no database that can be used, or one with a newer schema.
    """
    parsed, backend = _parsed(url)
    engine = _engine(parsed, backend)
    readers, writers = (engine.execution_options(**options) for options in (backend.reading, backend.writing))
    try:
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
    if scheme == "sqlite":
        _require_place(parsed.database or "")
    return parsed.set(drivername=backend.driver), backend


def _require_place(database: str) -> None:
    if database in {"", ":memory:"}:
        raise StartError("the store's address must name a file, such as `sqlite:///facts.db`")
    path = Path(database)
    if path.is_dir():
        raise StartError(f"the database `{database}` is a directory: name a file in it")
    if not path.parent.is_dir():
        raise StartError(f"the directory `{path.parent}` of the database does not exist: make it first")


def _engine(url: URL, backend: _Backend) -> AsyncEngine:
    if backend is not _BACKENDS["sqlite"]:
        try:
            return create_async_engine(url, pool_pre_ping=True)
        except ImportError as error:
            raise StartError(f"the driver of `{url.get_backend_name()}` is not installed") from error
    # Without an isolation level the driver begins nothing by itself: each transaction begins as its engine asks.
    engine = create_async_engine(url, connect_args={"isolation_level": None})
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(connection: _DriverConnection, _record: object) -> None:
    """Set what SQLite keeps per connection, the waiting first, since the others may have to wait.

    WAL lets reads go on beside a write. FULL syncs the log at each commit: under NORMAL a loss of power could take
    the last commits back, and a revocation that was acknowledged must not come undone.
    """
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()[_BEGIN])


def _unusable(url: URL, error: Exception) -> StartError:
    place = f"`{url.database}`" if url.get_backend_name() == "sqlite" else f"`{url.render_as_string()}`"
    match getattr(getattr(error, "orig", None), "sqlite_errorname", ""):
        case "SQLITE_NOTADB" | "SQLITE_CORRUPT":
            return StartError(f"the file {place} is not a database, or is damaged: name another file")
        case name if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR")):
            return StartError(f"the database {place} can't be written: check the rights of the file and its directory")
        case "SQLITE_BUSY":
            return StartError(f"the database {place} is held by another process: stop it first")
        case _:
            return StartError(f"the database {place} does not answer: check its address and whether it runs")
