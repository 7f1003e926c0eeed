"""Opening a store: from an address to the engines of a migrated database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sidegate.errors import StartError
from sidegate.ports.hints import Hints
from sidegate_adapters.sql.databases import postgresql, sqlite
from sidegate_adapters.sql.databases.engines import Engines
from sidegate_adapters.sql.databases.postgresql_notify import PostgresHints
from sidegate_adapters.sql.store import SqlFactsStore

_BACKENDS: Mapping[str, Callable[[str], Awaitable[Engines]]] = {
    "sqlite": sqlite.opened,
    "postgresql": postgresql.opened,
}


async def open_store(address: str, *, written: Callable[[], None] | None = None) -> SqlFactsStore:
    """Open the store at `sqlite:///facts.db` or `postgresql://user:password@host/database`, its schema the newest.

    `written` is called after each write.

    Raises:
        StartError: the address names no database that can be used, or one with a newer schema.
    """
    scheme, separator, _ = address.partition("://")
    if not separator:
        # The text itself may hold a password, so it is not repeated.
        raise StartError("the store's address must be a URL such as `sqlite:///facts.db`")
    if scheme not in _BACKENDS:
        raise StartError(f"the store's address starts with `{scheme}`: it must be one of {', '.join(_BACKENDS)}")
    return SqlFactsStore(await _BACKENDS[scheme](address), written=written or (lambda: None))


def store_hints(address: str) -> Hints | None:
    """Return the hints that the store at the address gives by itself; None where it gives none."""
    return PostgresHints(address) if address.startswith("postgresql://") else None
