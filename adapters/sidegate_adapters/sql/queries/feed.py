"""The reads of the feed, of tenants and of one resource, within the transaction that the connection is in."""

from __future__ import annotations

from sqlalchemy import BindParameter, RowMapping, bindparam, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.change import Cause, Change, EntryKind, RecordedChange
from sidegate.model.entry import Payload, resource_from_entry
from sidegate.model.facts import Grant, StoredResource
from sidegate.model.reference import ref, split_ref
from sidegate.model.revision import NO_REVISION, Revision
from sidegate.runtime.time_slices import in_time_slices
from sidegate_adapters.sql.entry_rows import KINDS
from sidegate_adapters.sql.schema_version import STORED_VERSION, require_version
from sidegate_adapters.sql.tables import changes, feed, grants, resource_parents, resources, tenants

_NEXT_CHANGES = (
    select(changes)
    .where(changes.c.sequence >= bindparam("sequence"))
    .order_by(changes.c.sequence)
    .limit(bindparam("limit"))
    .subquery()
)
# Each row has the head, the version and a change; if there is no change, one row has the first two alone.
_POLL = (
    select(feed.c.head, STORED_VERSION, _NEXT_CHANGES)
    .select_from(feed.outerjoin(_NEXT_CHANGES, true()))
    .where(feed.c.id == 1)
    .order_by(_NEXT_CHANGES.c.sequence)
)


MADE_AT = (
    select(changes.c.at)
    .where(changes.c.tenant == tenants.c.id, changes.c.revision == tenants.c.revision, changes.c.position == 0)
    .correlate(tenants)
    .scalar_subquery()
    .label("made_at")
)
"""The time of a tenant's revision, beside its row: a lookup in the index by revision."""
_CURRENT_REVISION = select(tenants.c.revision, MADE_AT).where(tenants.c.id == bindparam("tenant"))


async def current_revision(connection: AsyncConnection, tenant: str) -> Revision:
    """Return a tenant's revision, NO_REVISION where there is no such tenant."""
    row = (await connection.execute(_CURRENT_REVISION, {"tenant": tenant})).first()
    return NO_REVISION if row is None else Revision.made(row.revision, row.made_at)


_OF: BindParameter[str] = bindparam("of")
_TYPE: BindParameter[str] = bindparam("type")
_ID: BindParameter[str] = bindparam("id")
_RESOURCE = (
    select(tenants.c.revision, MADE_AT, resources.c.properties)
    .select_from(
        tenants.outerjoin(
            resources, (resources.c.tenant == tenants.c.id) & (resources.c.type == _TYPE) & (resources.c.id == _ID)
        )
    )
    .where(tenants.c.id == _OF)
)
_ON_IT = select(grants).where(grants.c.tenant == _OF, grants.c.scope_type == _TYPE, grants.c.scope_id == _ID)
_ABOVE_IT = select(resource_parents.c.parent_type, resource_parents.c.parent_id).where(
    resource_parents.c.tenant == _OF, resource_parents.c.type == _TYPE, resource_parents.c.id == _ID
)


async def tenant_ids(connection: AsyncConnection) -> list[str]:
    """Return the IDs of all tenants, sorted."""
    return [*(await connection.scalars(select(tenants.c.id).order_by(tenants.c.id)))]


async def tenant_head(connection: AsyncConnection, tenant: str) -> tuple[str, Revision] | None:
    """Return a tenant's pack and revision, None where there is no such tenant."""
    query = select(tenants.c.pack, tenants.c.revision, MADE_AT).where(tenants.c.id == tenant)
    row = (await connection.execute(query)).first()
    return None if row is None else (row.pack, Revision.made(row.revision, row.made_at))


async def revision(connection: AsyncConnection, tenant: str, number: int) -> Revision | None:
    """Return the revision with a number, None if there is none."""
    this = (changes.c.tenant == tenant) & (changes.c.revision == number) & (changes.c.position == 0)
    at = await connection.scalar(select(changes.c.at).where(this))
    return None if at is None else Revision.made(number, at)


async def resource(
    connection: AsyncConnection, tenant: str, reference: str
) -> tuple[StoredResource | None, list[Grant], Revision]:
    """Return a resource, the grants on it and the tenant's revision; None, no grants and no revision for no tenant."""
    type_, id_ = split_ref(reference)
    this = {"of": tenant, "type": type_, "id": id_}
    known = (await connection.execute(_RESOURCE, this)).first()
    if known is None:
        return None, [], NO_REVISION
    here = Revision.made(known.revision, known.made_at)
    held = (await connection.execute(_ON_IT, this)).mappings()
    on_it = sorted(Grant(*KINDS[EntryKind.GRANT].key(row)) for row in held)
    if known.properties is None:
        return None, on_it, here
    parents = await connection.execute(_ABOVE_IT, this)
    payload: Payload = {"parents": [ref(*parent) for parent in parents], "properties": known.properties}
    return resource_from_entry(reference, payload), on_it, here


async def changes_after(connection: AsyncConnection, sequence: int, *, limit: int) -> list[RecordedChange]:
    """Return up to `limit` changes with a greater sequence, in order."""
    query = select(changes).where(changes.c.sequence > sequence).order_by(changes.c.sequence).limit(limit)
    return [recorded(row) async for row in in_time_slices((await connection.execute(query)).mappings())]


async def feed_from(connection: AsyncConnection, sequence: int, *, limit: int) -> tuple[int, list[RecordedChange]]:
    """Return the newest sequence, and up to `limit` changes from `sequence` on, in order.

    Raises:
        SchemaChanged: the database has another schema by now.
    """
    rows = (await connection.execute(_POLL, {"sequence": sequence, "limit": limit})).mappings()
    newest, found = 0, list[RecordedChange]()
    async for row in in_time_slices(rows):
        require_version(row["schema_version"])
        newest = row["head"]
        if row["sequence"] is not None:
            found.append(recorded(row))
    return newest, found


async def head(connection: AsyncConnection) -> int:
    """Return the sequence of the newest change, 0 where there is none."""
    newest: int = (await connection.execute(select(feed.c.head).where(feed.c.id == 1))).scalar_one()
    return newest


def recorded(row: RowMapping) -> RecordedChange:
    """Return the change of a row."""
    change = Change(
        EntryKind(row["entity"]), row["key"], before=row["before"], after=row["after"], cause=Cause(row["cause"])
    )
    return RecordedChange(
        sequence=row["sequence"],
        tenant=row["tenant"],
        revision=row["revision"],
        change=change,
        actor=row["actor"],
        at=row["at"],
        caller=row["caller"],
    )
