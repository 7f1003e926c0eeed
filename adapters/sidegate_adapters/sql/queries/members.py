"""Lists of members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.change import EntryKind
from sidegate.model.entry import member_from_entry
from sidegate.model.page import Invitation, MemberQuery, MemberRecord
from sidegate.model.revision import NO_REVISION, Revision
from sidegate_adapters.sql.entry_rows import KINDS, require_storable
from sidegate_adapters.sql.queries.feed import current_revision
from sidegate_adapters.sql.tables import ON_TENANT, grants, group_members, invitations, members


async def members_page(
    connection: AsyncConnection, tenant: str, query: MemberQuery, *, after: str, limit: int
) -> tuple[list[MemberRecord], Revision]:
    """Return up to `limit` members after an ID, by ID, with the tenant's revision."""
    revision = await current_revision(connection, tenant)
    if revision == NO_REVISION:
        return [], NO_REVISION
    for asked in (query.role, query.group, query.text, *query.ids, after):
        require_storable({"text": asked})
    wanted, id_ = _wanted(tenant, query)
    further = id_.in_([one for one in query.ids if one > after]) if query.ids else id_ > after
    rows = (await connection.execute(wanted.where(further).order_by(id_).limit(limit))).mappings().all()
    ids = [row["id"] for row in rows]
    roles = await _roles(connection, tenant, ids)
    groups = await _groups(connection, tenant, ids)
    waiting = await _invitations(connection, tenant, ids)
    payload = KINDS[EntryKind.MEMBER].payload
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


def _wanted(tenant: str, query: MemberQuery) -> tuple[Select[*tuple[Any, ...]], Column[str]]:
    """Return the members that are asked for, and the column of their IDs in the index that the page is read along.

    The holders of a role, or the members of a group, are in one index by ID: a page is read there, not from members.
    """
    wanted, id_ = select(members), members.c.id
    if query.role:
        held = (grants.c.tenant == tenant) & (grants.c.scope_type == "tenant") & (grants.c.scope_id == tenant)
        held &= (grants.c.role == query.role) & (grants.c.holder_type == "member")
        wanted, id_ = wanted.join(grants, held & (grants.c.holder_id == id_)), grants.c.holder_id
    if query.group:
        inside = (group_members.c.tenant == tenant) & (group_members.c.group_id == query.group)
        inside &= group_members.c.holder_type == "member"
        wanted, id_ = wanted.join(group_members, inside & (group_members.c.holder_id == id_)), group_members.c.holder_id
    return wanted.where(members.c.tenant == tenant, *_conditions(query)), id_


def _conditions(query: MemberQuery) -> Iterator[ColumnElement[bool]]:
    if query.status is not None:
        yield members.c.status == query.status.value
    if query.text:
        yield members.c.text_key.contains(query.text.casefold(), autoescape=True)


async def _roles(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> defaultdict[str, list[str]]:
    held = (grants.c.tenant == tenant) & text(ON_TENANT) & (grants.c.scope_id == tenant)
    held &= (grants.c.holder_type == "member") & grants.c.holder_id.in_(ids)
    joined = members.outerjoin(grants, held & (grants.c.holder_id == members.c.id))
    return await _by_member(connection, select(members.c.id, grants.c.role).select_from(joined), tenant, ids)


async def _groups(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> defaultdict[str, list[str]]:
    inside = (group_members.c.tenant == tenant) & (group_members.c.holder_type == "member")
    inside &= group_members.c.holder_id.in_(ids)
    joined = members.outerjoin(group_members, inside & (group_members.c.holder_id == members.c.id))
    return await _by_member(connection, select(members.c.id, group_members.c.group_id).select_from(joined), tenant, ids)


async def _by_member(
    connection: AsyncConnection, beside: Select[str, str], tenant: str, ids: Sequence[str]
) -> defaultdict[str, list[str]]:
    """Return the names that an outer join has beside each member, sorted.

    The join makes SQLite search by member, the list of IDs limits PostgreSQL to them: without both, and without
    statistics, each database would read the rows of all members of the tenant.
    """
    by_member: defaultdict[str, list[str]] = defaultdict(list)
    for id_, name in await connection.execute(beside.where(members.c.tenant == tenant, members.c.id.in_(ids))):
        if name is not None:
            by_member[id_].append(name)
    for names in by_member.values():
        names.sort()
    return by_member


async def _invitations(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> dict[str, Invitation]:
    waiting = select(invitations).where(invitations.c.tenant == tenant, invitations.c.member.in_(ids))
    return {
        row.member: Invitation(row.id, datetime.fromisoformat(row.expires_at))
        for row in await connection.execute(waiting)
    }
