"""Secrets that all sidecars on one database share."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate_adapters.sql.schema_version import STORED_VERSION, require_version
from sidegate_adapters.sql.tables import deployment


async def secret(connection: AsyncConnection, name: str) -> bytes | None:
    """Return the secret of this name, None if it is not created yet.

    Raises:
        SchemaChanged: the database has another schema by now.
    """
    query = select(deployment.c.secret, STORED_VERSION).where(deployment.c.name == name)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    require_version(row.schema_version)
    found: bytes = row.secret
    return found
