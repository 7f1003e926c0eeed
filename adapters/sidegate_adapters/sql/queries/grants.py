"""Pages of grants, and of the members of one group, by the keys and their indexes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.change import EntryKind
from sidegate.model.facts import Grant
from sidegate.model.page import GrantQuery, Relation
from sidegate.model.reference import ref, split_ref
from sidegate.model.revision import Revision
from sidegate_adapters.sql.entry_rows import KINDS, require_storable
from sidegate_adapters.sql.queries.feed import current_revision
from sidegate_adapters.sql.queries.keyset import beyond, rows_in_parts
from sidegate_adapters.sql.tables import grants, group_members


async def grant_page(
    connection: AsyncConnection, tenant: str, query: GrantQuery, *, after: Grant | None, limit: int
) -> tuple[list[Grant], Revision]:
    """Return up to `limit` grants after one, by role, scope and holder, with the tenant's revision."""
    require_storable({"value": query.value})
    common, along = _range(tenant, query)
    ordered = select(grants).where(grants.c.tenant == tenant, *common).order_by(*along)
    if query.scope_types:
        ordered = ordered.where(grants.c.scope_type.in_(sorted(query.scope_types)))
    parts: Sequence[ColumnElement[bool]] = [along[0] > ""]
    if after is not None:
        row = KINDS[EntryKind.GRANT].identity((after.role, after.scope, after.holder))
        require_storable(row)
        parts = beyond(along, [row[column.name] for column in along])
    found = await rows_in_parts(connection, ordered, parts, limit=limit)
    return [Grant(*KINDS[EntryKind.GRANT].key(row)) for row in found], await current_revision(connection, tenant)


async def group_page(
    connection: AsyncConnection, tenant: str, group: str, *, after: str, limit: int
) -> tuple[list[str], Revision]:
    """Return up to `limit` references of the members of a group after one, with the tenant's revision."""
    require_storable({"group": group})
    inside = select(group_members).where(group_members.c.tenant == tenant, group_members.c.group_id == group)
    along = (group_members.c.holder_type, group_members.c.holder_id)
    parts = beyond(along, split_ref(after))
    found = await rows_in_parts(connection, inside.order_by(*along), parts, limit=limit)
    return [ref(row["holder_type"], row["holder_id"]) for row in found], await current_revision(connection, tenant)


def _range(tenant: str, query: GrantQuery) -> tuple[Sequence[ColumnElement[bool]], Sequence[Column[str]]]:
    """Return what all grants of a query have in common, and the columns by which an index has them in order."""
    held = grants.c
    if query.relation is Relation.GRANTS_AS:
        common = (held.scope_type == "tenant", held.scope_id == tenant, held.role == query.value)
        return common, (held.holder_type, held.holder_id)
    type_, id_ = split_ref(query.value)
    if query.relation is Relation.GRANTS_OF:
        return (held.holder_type == type_, held.holder_id == id_), (held.role, held.scope_type, held.scope_id)
    return (held.scope_type == type_, held.scope_id == id_), (held.role, held.holder_type, held.holder_id)
