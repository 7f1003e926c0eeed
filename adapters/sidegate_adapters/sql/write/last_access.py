"""When a member was last seen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate_adapters.sql.schema_version import STORED_VERSION, require_version
from sidegate_adapters.sql.tables import members


async def record_access(connection: AsyncConnection, tenant: str, member: str, at: datetime) -> bool:
    """Store when a member was seen, unless a later time is stored; return False if there is no such member.

    Raises:
        SchemaChanged: the database has another schema by now.
    """
    this = (members.c.tenant == tenant) & (members.c.id == member)
    older = or_(members.c.last_access_at.is_(None), members.c.last_access_at < at)
    await connection.execute(update(members).where(this, older).values(last_access_at=at))
    found = (await connection.execute(select(exists().where(this).label("found"), STORED_VERSION))).one()
    require_version(found.schema_version)
    return bool(found.found)
