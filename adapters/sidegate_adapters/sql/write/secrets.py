"""Secrets that all sidecars on one database share, created by the first that needs them."""

from __future__ import annotations

import secrets

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate_adapters.sql.queries.secrets import secret
from sidegate_adapters.sql.tables import deployment

_BYTES = 32


async def create_secret(connection: AsyncConnection, name: str) -> bytes:
    """Create the secret of this name unless it exists, and return it.

    Raises:
        SchemaChanged: the database has another schema by now.
    """
    insert_or = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = {"name": name, "secret": secrets.token_bytes(_BYTES)}
    await connection.execute(insert_or(deployment).values(new).on_conflict_do_nothing())
    made = await secret(connection, name)
    assert made is not None, "it existed, or was created just now"
    return made
