"""Lists of tenants, and how much there is in one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model import MemberStatus, TenantQuery, TenantRecord, TenantSize
from sidegate_adapters.sql.rows import require_storable
from sidegate_adapters.sql.tables import members, resources, tenants

_SEATED = (MemberStatus.ACTIVE.value, MemberStatus.PENDING.value)


async def tenant_page(connection: AsyncConnection, query: TenantQuery, *, after: str, limit: int) -> list[TenantRecord]:
    """Return up to `limit` tenants after an ID, by ID."""
    for text in (*query.ids, after):
        require_storable({"text": text})
    page = select(tenants).where(tenants.c.id > after).order_by(tenants.c.id).limit(limit)
    if query.ids:
        page = page.where(tenants.c.id.in_(query.ids))
    if query.suspended is not None:
        page = page.where(tenants.c.suspended == query.suspended)
    rows = (await connection.execute(page)).mappings().all()
    seated = await _seated(connection, [row["id"] for row in rows])
    return [
        TenantRecord(
            row["id"],
            row["pack"],
            row["settings"],
            suspended=row["suspended"],
            created_at=row["created_at"],
            seats_taken=seated.get(row["id"], 0),
            revision=row["revision"],
        )
        for row in rows
    ]


async def size(connection: AsyncConnection, tenant: str) -> tuple[TenantSize, int]:
    """Return how many members and resources there are in a tenant, with its revision."""
    counts = (select(func.count()).where(table.c.tenant == tenant).scalar_subquery() for table in (members, resources))
    row = (await connection.execute(select(tenants.c.revision, *counts).where(tenants.c.id == tenant))).first()
    return (TenantSize(0, 0), 0) if row is None else (TenantSize(row[1], row[2]), row[0])


async def _seated(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, int]:
    count = func.count().label("seats")
    counted = select(members.c.tenant, count).where(members.c.tenant.in_(ids), members.c.status.in_(_SEATED))
    return {row.tenant: row.seats for row in await connection.execute(counted.group_by(members.c.tenant))}
