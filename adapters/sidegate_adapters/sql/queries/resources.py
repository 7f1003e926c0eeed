"""Lists of registered resources, each page read along an index in the order of references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.change import EntryKind
from sidegate.model.entry import resource_from_entry
from sidegate.model.page import ResourceQuery, ResourceRecord
from sidegate.model.reference import ref, split_ref
from sidegate.model.revision import NO_REVISION, Revision
from sidegate_adapters.sql.entry_rows import KINDS, require_storable
from sidegate_adapters.sql.queries.entries import any_of, with_parents
from sidegate_adapters.sql.queries.feed import current_revision
from sidegate_adapters.sql.queries.keyset import rows_in_parts
from sidegate_adapters.sql.tables import grants, resource_parents, resources

_OWNER = "owner"


async def resource_page(
    connection: AsyncConnection, tenant: str, query: ResourceQuery, *, after: str, limit: int
) -> tuple[list[ResourceRecord], Revision]:
    """Return up to `limit` resources after a reference, by reference, with the tenant's revision."""
    for text in (query.type, query.parent, query.owner, after):
        require_storable({"text": text})
    revision = await current_revision(connection, tenant)
    if revision == NO_REVISION:
        return [], NO_REVISION
    wanted, type_, id_ = _wanted(tenant, query)
    kind = KINDS[EntryKind.RESOURCE]
    parts = _parts(query, after, type_=type_, id_=id_)
    rows = await rows_in_parts(connection, wanted.order_by(type_, id_), parts, limit=limit)
    payloads = {(EntryKind.RESOURCE, kind.key(row)): kind.payload(row) for row in rows}
    found = await with_parents(connection, tenant, payloads)
    owners = await _owners(connection, tenant, [reference for _, (reference,) in found])
    return [
        ResourceRecord(resource_from_entry(reference, payload), owners.get(reference, ""))
        for (_, (reference,)), payload in found.items()
    ], revision


async def counts(connection: AsyncConnection, tenant: str, parent: str) -> tuple[dict[str, int], Revision]:
    """Return how many resources of each type are direct children of a parent, with the tenant's revision."""
    require_storable({"parent": parent})
    revision = await current_revision(connection, tenant)
    type_ = resource_parents.c.type
    counted = select(type_, func.count()).where(_inside(tenant, parent)).group_by(type_).order_by(type_)
    return {row[0]: row[1] for row in await connection.execute(counted)}, revision


def _wanted(tenant: str, query: ResourceQuery) -> tuple[Select[*tuple[Any, ...]], Column[str], Column[str]]:
    """Return the resources without page and type, and the columns of the index that the page is read along.

    The resources of an owner are the shorter list, then those of a parent: with both conditions, the owner's is read.
    """
    if query.owner:
        holder_type, holder_id = split_ref(query.owner)
        held = and_(grants.c.tenant == tenant, grants.c.holder_type == holder_type, grants.c.holder_id == holder_id)
        joined = (resources.c.tenant == tenant) & _same(grants.c.scope_type, grants.c.scope_id)
        wanted = select(resources).select_from(grants).join(resources, joined).where(held, grants.c.role == _OWNER)
        if query.parent:
            wanted = wanted.where(exists().where(_inside(tenant, query.parent), *_parent_of_row()))
        return wanted, grants.c.scope_type, grants.c.scope_id
    if query.parent:
        joined = (resources.c.tenant == tenant) & _same(resource_parents.c.type, resource_parents.c.id)
        wanted = select(resources).select_from(resource_parents).join(resources, joined)
        return wanted.where(_inside(tenant, query.parent)), resource_parents.c.type, resource_parents.c.id
    return select(resources).where(resources.c.tenant == tenant), resources.c.type, resources.c.id


def _parts(query: ResourceQuery, after: str, *, type_: Column[str], id_: Column[str]) -> Sequence[ColumnElement[bool]]:
    """Return what comes after a reference in parts, those of its own type first."""
    last_type, last_id = split_ref(after)
    if query.type:
        return [(type_ == query.type) & (id_ > last_id)]
    return [(type_ == last_type) & (id_ > last_id), type_ > last_type] if after else [type_ > ""]


def _same(type_: Column[str], id_: Column[str]) -> ColumnElement[bool]:
    return and_(resources.c.type == type_, resources.c.id == id_)


def _inside(tenant: str, parent: str) -> ColumnElement[bool]:
    type_, id_ = split_ref(parent)
    above = resource_parents.c
    return and_(above.tenant == tenant, above.parent_type == type_, above.parent_id == id_)


def _parent_of_row() -> tuple[ColumnElement[bool], ...]:
    return resource_parents.c.type == resources.c.type, resource_parents.c.id == resources.c.id


async def _owners(connection: AsyncConnection, tenant: str, references: Sequence[str]) -> dict[str, str]:
    """Return who owns what of some resources; of several owners the first in the order of `load_resource`."""
    if not references:
        return {}
    on_them = any_of((grants.c.scope_type, grants.c.scope_id), [split_ref(one) for one in references])
    held = select(grants).where(grants.c.tenant == tenant, on_them, grants.c.role == _OWNER)
    owners: dict[str, str] = {}
    # Put in order here: to have it in order SQLite would go through all grants of the tenant along another index.
    for row in await connection.execute(held):
        resource, holder = ref(row.scope_type, row.scope_id), ref(row.holder_type, row.holder_id)
        owners[resource] = min(holder, owners.get(resource, holder))
    return owners
