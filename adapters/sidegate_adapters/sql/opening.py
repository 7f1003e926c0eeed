"""Opening a store: from an address to the engines of a migrated database."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sidegate.errors import StartError
from sidegate.ports.clock import ClockHook, ignore_clocks
from sidegate.ports.hints import Hints
from sidegate.runtime.clock import CheckedClock
from sidegate_adapters.sql.databases.engines import Engines
from sidegate_adapters.sql.store import SqlFactsStore

_BACKENDS = ("sqlite", "postgresql")


async def open_store(
    address: str | Callable[[], str],
    *,
    written: Callable[[], None] | None = None,
    clock: CheckedClock | None = None,
    on_clocks: ClockHook = ignore_clocks,
) -> SqlFactsStore:
    """Open the store at `sqlite:///facts.db` or `postgresql://user:password@host/database`, its schema the newest.

    Of a function, each new connection to PostgreSQL asks for the address with the current user and password.
    `written` is called after each write; `on_clocks` receives what each write found about `clock`, the machine's by
    default.

    Raises:
        StartError: the address names no database that can be used, or one with a newer schema.
    """
    current = address if callable(address) else partial(str, address)
    scheme, separator, _ = current().partition("://")
    if not separator:
        # The text itself may hold a password, so it is not repeated.
        raise StartError("the store's address must be a URL such as `sqlite:///facts.db`")
    if scheme not in _BACKENDS:
        raise StartError(f"the store's address starts with `{scheme}`: it must be one of {', '.join(_BACKENDS)}")
    engines = await _opened(scheme, current)
    return SqlFactsStore(engines, written=written or (lambda: None), clock=clock or CheckedClock(), on_clocks=on_clocks)


async def _opened(scheme: str, address: Callable[[], str]) -> Engines:
    """Open the engines of a database, and import its driver only."""
    if scheme == "postgresql":
        from sidegate_adapters.sql.databases import postgresql  # noqa: PLC0415 - SQLite needs no asyncpg

        return await postgresql.opened(address)
    from sidegate_adapters.sql.databases import sqlite  # noqa: PLC0415 - PostgreSQL needs no aiosqlite

    return await sqlite.opened(address())


def store_files(address: str) -> tuple[Path, ...]:
    """Return the files of the store at the address: none where a server stores it."""
    if not address.startswith("sqlite:"):
        return ()
    from sidegate_adapters.sql.databases import sqlite  # noqa: PLC0415 - PostgreSQL needs no aiosqlite

    return sqlite.files(address)


def store_hints(address: str | Callable[[], str]) -> Hints | None:
    """Return the hints that the store at the address gives by itself; None where it gives none."""
    current = address if callable(address) else partial(str, address)
    if not current().startswith("postgresql://"):
        return None
    from sidegate_adapters.sql.databases.postgresql_notify import (  # noqa: PLC0415 - SQLite needs no asyncpg
        PostgresHints,
    )

    return PostgresHints(current)
