"""The durable store of facts in a SQL database: SQLite in a file, or PostgreSQL."""

from sidegate_adapters.sql.opening import open_store
from sidegate_adapters.sql.store import SqlFactsStore

__all__ = ["SqlFactsStore", "open_store"]
