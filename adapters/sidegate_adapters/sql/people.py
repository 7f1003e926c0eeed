"""Lists of members, the seats they take, and when they were seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.entries import member_from_entry
from sidegate.model import Entity, Invitation, MemberQuery, MemberRecord, MemberStatus
from sidegate_adapters.sql.rows import KINDS, require_storable
from sidegate_adapters.sql.tables import grants, group_members, invitations, members, tenants

_SEATED = (MemberStatus.ACTIVE.value, MemberStatus.PENDING.value)


async def seats(connection: AsyncConnection, tenant: str) -> tuple[int, int]:
    """Return how many members are active or invited, with the tenant's revision."""
    seated = select(func.count()).where(members.c.tenant == tenant, members.c.status.in_(_SEATED)).scalar_subquery()
    row = (await connection.execute(select(tenants.c.revision, seated).where(tenants.c.id == tenant))).first()
    return (0, 0) if row is None else (row[1], row[0])


async def members_page(
    connection: AsyncConnection, tenant: str, query: MemberQuery, *, after: str, limit: int
) -> tuple[list[MemberRecord], int]:
    """Return up to `limit` members after an ID, by ID, with the tenant's revision."""
    revision = await connection.scalar(select(tenants.c.revision).where(tenants.c.id == tenant))
    if revision is None:
        return [], 0
    asked = (query.role, query.group, query.text, *query.ids, after)
    for text in asked:
        require_storable({"text": text})
    conditions = [members.c.tenant == tenant, members.c.id > after, *_conditions(tenant, query)]
    page = select(members).where(*conditions).order_by(members.c.id).limit(limit)
    rows = (await connection.execute(page)).mappings().all()
    ids = [row["id"] for row in rows]
    roles = await _roles(connection, tenant, ids)
    groups = await _groups(connection, tenant, ids)
    waiting = await _invitations(connection, tenant, ids)
    payload = KINDS[Entity.MEMBER].payload
    return [
        MemberRecord(
            member_from_entry(row["id"], payload(row)),
            created_at=row["created_at"],
            last_access_at=row["last_access_at"],
            roles=tuple(roles[row["id"]]),
            groups=tuple(groups[row["id"]]),
            invitation=waiting.get(row["id"]),
        )
        for row in rows
    ], revision


async def record_access(connection: AsyncConnection, tenant: str, member: str, at: datetime) -> bool:
    """Note when a member was seen, unless later is known; False where there is no such member."""
    this = (members.c.tenant == tenant) & (members.c.id == member)
    older = or_(members.c.last_access_at.is_(None), members.c.last_access_at < at)
    await connection.execute(update(members).where(this, older).values(last_access_at=at))
    return bool(await connection.scalar(select(exists().where(this))))


def _conditions(tenant: str, query: MemberQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.ids:
        found.append(members.c.id.in_(query.ids))
    if query.status is not None:
        found.append(members.c.status == query.status.value)
    if query.role:
        held = (grants.c.tenant == tenant) & (grants.c.scope_type == "tenant") & (grants.c.scope_id == tenant)
        held &= (grants.c.role == query.role) & (grants.c.holder_type == "member")
        found.append(exists().where(held, grants.c.holder_id == members.c.id))
    if query.group:
        inside = (group_members.c.tenant == tenant) & (group_members.c.group_id == query.group)
        inside &= group_members.c.holder_type == "member"
        found.append(exists().where(inside, group_members.c.holder_id == members.c.id))
    if query.text:
        columns = (members.c.id, members.c.name, members.c.phone)
        folded = members.c.email_key.contains(query.text.casefold(), autoescape=True)
        found.append(or_(folded, *(column.icontains(query.text, autoescape=True) for column in columns)))
    return found


async def _roles(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> defaultdict[str, list[str]]:
    by_member: defaultdict[str, list[str]] = defaultdict(list)
    held = select(grants.c.holder_id, grants.c.role).where(
        grants.c.tenant == tenant, grants.c.holder_type == "member", grants.c.holder_id.in_(ids)
    )
    on_tenant = held.where(grants.c.scope_type == "tenant", grants.c.scope_id == tenant).order_by(grants.c.role)
    for row in await connection.execute(on_tenant):
        by_member[row.holder_id].append(row.role)
    return by_member


async def _groups(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> defaultdict[str, list[str]]:
    by_member: defaultdict[str, list[str]] = defaultdict(list)
    inside = select(group_members.c.holder_id, group_members.c.group_id).where(
        group_members.c.tenant == tenant, group_members.c.holder_type == "member", group_members.c.holder_id.in_(ids)
    )
    for row in await connection.execute(inside.order_by(group_members.c.group_id)):
        by_member[row.holder_id].append(row.group_id)
    return by_member


async def _invitations(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> dict[str, Invitation]:
    waiting = select(invitations).where(invitations.c.tenant == tenant, invitations.c.member.in_(ids))
    return {
        row.member: Invitation(row.id, datetime.fromisoformat(row.expires_at))
        for row in await connection.execute(waiting)
    }
