"""Lists of tenants, and how much there is in one."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.page import TenantQuery, TenantRecord, TenantSize
from sidegate.model.revision import NO_REVISION, Revision
from sidegate_adapters.sql.entry_rows import require_storable
from sidegate_adapters.sql.queries.feed import MADE_AT
from sidegate_adapters.sql.tables import members, resources, tenants


async def tenant_page(connection: AsyncConnection, query: TenantQuery, *, after: str, limit: int) -> list[TenantRecord]:
    """Return up to `limit` tenants after an ID, by ID."""
    for text in (*query.ids, after):
        require_storable({"text": text})
    further = tenants.c.id.in_([one for one in query.ids if one > after]) if query.ids else tenants.c.id > after
    page = select(tenants, MADE_AT).where(further).order_by(tenants.c.id).limit(limit)
    if query.suspended is not None:
        page = page.where(tenants.c.suspended == query.suspended)
    rows = (await connection.execute(page)).mappings().all()
    return [
        TenantRecord(
            row["id"],
            row["pack"],
            row["settings"],
            suspended=row["suspended"],
            created_at=row["created_at"],
            seats_taken=row["seats"],
            revision=Revision.made(row["revision"], row["made_at"]),
        )
        for row in rows
    ]


async def size(connection: AsyncConnection, tenant: str) -> tuple[TenantSize, Revision]:
    """Return how many members and resources there are in a tenant, with its revision."""
    counts = (select(func.count()).where(table.c.tenant == tenant).scalar_subquery() for table in (members, resources))
    query = select(tenants.c.revision, MADE_AT, *counts).where(tenants.c.id == tenant)
    row = (await connection.execute(query)).first()
    return (TenantSize(0, 0), NO_REVISION) if row is None else (TenantSize(*row[2:]), Revision.made(*row[:2]))
