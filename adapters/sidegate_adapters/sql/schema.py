"""The schema's versions: the version of a database, upgrades and downgrades."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from sidegate.errors import StartError
from sidegate_adapters.sql.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0009"
"""The newest version: a database that has it is opened without Alembic, which takes memory and time to import."""
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
    if here == HEAD:
        return
    if here is not None:
        _wait_for_writers(connection)
    from alembic import command  # noqa: PLC0415 - only a migration needs it
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - only a migration needs it

    if here is None:
        _require_unused(connection)
    elif here not in {script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}:
        raise StartError(f"the database has the schema `{here}`, newer than this version knows: use a newer sidegate")
    command.upgrade(_config(connection), "head")


def downgrade(connection: Connection, target: str) -> None:
    """Take the database back to a version, `base` for none, in the transaction of the connection."""
    from alembic import command  # noqa: PLC0415 - only a migration needs it

    _wait_for_writers(connection)
    command.downgrade(_config(connection), target)


def version(connection: Connection) -> str | None:
    """Return the version of the database's schema, None where it has none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    # The table is Alembic's: one row with the version, or none after a downgrade to the beginning.
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return found


def _wait_for_writers(connection: Connection) -> None:
    """Wait until no write is in progress, and let none begin before the new version can be seen by it.

    Each write locks rows of the tenants first and reads the version last. SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE tenants IN EXCLUSIVE MODE"))


def _require_unused(connection: Connection) -> None:
    taken = set(inspect(connection).get_table_names()) & set(metadata.tables)
    if taken:
        raise StartError(
            f"the database holds tables of something else, such as `{min(taken)}`: name a database of sidegate's own"
        )


def _config(connection: Connection) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - only a migration needs it

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
