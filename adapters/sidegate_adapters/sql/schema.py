"""The schema's versions: the version of a database, upgrades and downgrades."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from sidegate.errors import StartError
from sidegate_adapters.sql.tables import metadata

VERSION_TABLE = "sidegate_schema"
"""A table name of our own, so that another application's migrations in the same database stay separate."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x51DE6A7E


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest schema, in the transaction of the connection.

    Raises:
        StartError: the database has a newer schema than this version knows, or belongs to something else.
    """
    if connection.dialect.name == "postgresql":
        # Two servers that start together: the second waits here, then finds nothing left to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    here = version(connection)
    if here is None:
        _require_unused(connection)
    elif here not in {script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}:
        raise StartError(f"the database has the schema `{here}`, newer than this version knows: use a newer sidegate")
    command.upgrade(_config(connection), "head")


def downgrade(connection: Connection, target: str) -> None:
    """Take the database back to a version, `base` for none, in the transaction of the connection."""
    command.downgrade(_config(connection), target)


def version(connection: Connection) -> str | None:
    """Return the version of the database's schema, None where it has none."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _require_unused(connection: Connection) -> None:
    taken = set(inspect(connection).get_table_names()) & set(metadata.tables)
    if taken:
        raise StartError(
            f"the database holds tables of something else, such as `{min(taken)}`: name a database of sidegate's own"
        )


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
