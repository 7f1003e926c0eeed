"""The schema's version, read by statements that are sent anyway: a newer sidegate may change it while this one runs."""

from __future__ import annotations

from sqlalchemy import Label, String, column, func, select, table

from sidegate.errors import SchemaChanged
from sidegate_adapters.sql.schema import HEAD, VERSION_TABLE

_VERSION = table(VERSION_TABLE, column("version_num", String)).c.version_num
STORED_VERSION: Label[str | None] = select(func.max(_VERSION)).scalar_subquery().label("schema_version")
"""The version of the database's schema, as a column of any statement; the maximum is found by an index."""


def require_version(stored: str | None) -> None:
    """Require that the database has the schema that this version reads and writes.

    Raises:
        SchemaChanged: it has another one.
    """
    if stored == HEAD:
        return
    if stored is None or stored < HEAD:
        raise SchemaChanged(f"the database's schema is no longer `{HEAD}` but `{stored or 'none'}`: restart sidegate")
    raise SchemaChanged(f"the database has the schema `{stored}`, newer than this version knows: use a newer sidegate")
