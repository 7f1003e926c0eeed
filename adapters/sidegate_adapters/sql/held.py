"""Who holds what on one scope, and who stands in one group: pages along the primary keys."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model import Entity, Grant, ref, split_ref
from sidegate_adapters.sql.ranges import rows_in_parts
from sidegate_adapters.sql.rows import KINDS, require_storable
from sidegate_adapters.sql.tables import grants, group_members, tenants


async def grant_page(
    connection: AsyncConnection, tenant: str, scope: str, *, after: Grant | None, limit: int
) -> tuple[list[Grant], int]:
    """Return up to `limit` grants on a scope after one, by role and holder, with the tenant's revision."""
    require_storable({"scope": scope})
    type_, id_ = split_ref(scope)
    on_it = select(grants).where(grants.c.tenant == tenant, grants.c.scope_type == type_, grants.c.scope_id == id_)
    ordered = on_it.order_by(grants.c.role, grants.c.holder_type, grants.c.holder_id)
    parts: Sequence[ColumnElement[bool]] = [grants.c.role > ""]
    if after is not None:
        holder_type, holder_id = split_ref(after.holder)
        same = grants.c.role == after.role
        parts = (
            same & (grants.c.holder_type == holder_type) & (grants.c.holder_id > holder_id),
            same & (grants.c.holder_type > holder_type),
            grants.c.role > after.role,
        )
    found = await rows_in_parts(connection, ordered, parts, limit=limit)
    return [Grant(*KINDS[Entity.GRANT].key(row)) for row in found], await _revision(connection, tenant)


async def group_page(
    connection: AsyncConnection, tenant: str, group: str, *, after: str, limit: int
) -> tuple[list[str], int]:
    """Return up to `limit` references of who stands in a group after one, with the tenant's revision."""
    require_storable({"group": group})
    type_, id_ = split_ref(after)
    inside = select(group_members).where(group_members.c.tenant == tenant, group_members.c.group_id == group)
    ordered = inside.order_by(group_members.c.holder_type, group_members.c.holder_id)
    parts = (
        (group_members.c.holder_type == type_) & (group_members.c.holder_id > id_),
        group_members.c.holder_type > type_,
    )
    found = await rows_in_parts(connection, ordered, parts, limit=limit)
    return [ref(row["holder_type"], row["holder_id"]) for row in found], await _revision(connection, tenant)


async def _revision(connection: AsyncConnection, tenant: str) -> int:
    return await connection.scalar(select(tenants.c.revision).where(tenants.c.id == tenant)) or 0
