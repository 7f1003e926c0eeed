"""Secrets that all sidecars on one database share."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate_adapters.sql.tables import deployment


async def secret(connection: AsyncConnection, name: str) -> bytes | None:
    """Return the secret of this name, None if it is not created yet."""
    query = select(deployment.c.secret).where(deployment.c.name == name)
    found: bytes | None = (await connection.execute(query)).scalar_one_or_none()
    return found
