"""What all sidecars on one database share beside the facts: secrets that were made there once."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate_adapters.sql.tables import deployment

_BYTES = 32


async def secret(connection: AsyncConnection, name: str) -> bytes | None:
    """Return the secret of this name, None where it was not made yet."""
    query = select(deployment.c.secret).where(deployment.c.name == name)
    found: bytes | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def made_secret(connection: AsyncConnection, name: str) -> bytes:
    """Return the secret of this name, made here where no other came first."""
    insert_or = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = {"name": name, "secret": secrets.token_bytes(_BYTES)}
    await connection.execute(insert_or(deployment).values(new).on_conflict_do_nothing())
    made = await secret(connection, name)
    assert made is not None, "it was there, or was made just now"
    return made
