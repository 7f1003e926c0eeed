"""The reads of one command: entries by their keys or by an index, never a whole tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CursorResult,
    MappingResult,
    Select,
    Text,
    and_,
    bindparam,
    column,
    select,
    tuple_,
)
from sqlalchemy import values as _values
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.change import EntryKind, Receipt
from sidegate.model.entry import EntryKey, Key, Payload, resource_from_entry
from sidegate.model.facts import Grant, StoredResource
from sidegate.model.page import Relation
from sidegate.model.reference import ref, split_ref
from sidegate.model.revision import NO_REVISION, Revision
from sidegate_adapters.sql.batches import batches
from sidegate_adapters.sql.entry_rows import KINDS, require_storable, tenant_of_row
from sidegate_adapters.sql.queries.feed import MADE_AT, current_revision
from sidegate_adapters.sql.tables import (
    changes,
    grants,
    group_members,
    members,
    receipts,
    resource_parents,
    resources,
    tenants,
)

_BATCH = 500
"""Values per query, well under the number of variables that either database takes."""
_TENANT: EntryKey = (EntryKind.TENANT, ())


@dataclass(frozen=True, slots=True)
class _Index:
    """Where a relation is looked up: the entity found, and the columns that hold the value."""

    entity: EntryKind
    columns: tuple[Column[str], ...]


_TENANT_ROW = select(tenants, MADE_AT).where(tenants.c.id == bindparam("tenant"))
_INDEXES: Mapping[Relation, _Index] = {
    Relation.GRANTS_OF: _Index(EntryKind.GRANT, (grants.c.holder_type, grants.c.holder_id)),
    Relation.GRANTS_ON: _Index(EntryKind.GRANT, (grants.c.scope_type, grants.c.scope_id)),
    Relation.GRANTS_AS: _Index(EntryKind.GRANT, (grants.c.scope_type, grants.c.scope_id, grants.c.role)),
    Relation.GROUPS_OF: _Index(EntryKind.GROUP_MEMBER, (group_members.c.holder_type, group_members.c.holder_id)),
    Relation.INSIDE: _Index(EntryKind.GROUP_MEMBER, (group_members.c.group_id,)),
    Relation.EMAIL: _Index(EntryKind.MEMBER, (members.c.email_key,)),
    Relation.PHONE: _Index(EntryKind.MEMBER, (members.c.phone,)),
}


async def entries(
    connection: AsyncConnection, tenant: str, keys: Sequence[EntryKey]
) -> tuple[dict[EntryKey, Payload], Revision]:
    """Return those of the entries that exist, with the tenant's revision."""
    row = (await connection.execute(_TENANT_ROW, {"tenant": tenant})).mappings().first()
    if row is None:
        return {}, NO_REVISION
    found: dict[EntryKey, Payload] = {}
    if _TENANT in keys:
        found[_TENANT] = tenant_of_row(row)
    by_entity: defaultdict[EntryKind, list[Key]] = defaultdict(list)
    for entity, key in keys:
        if entity is not EntryKind.TENANT:
            by_entity[entity].append(key)
    for entity, wanted in by_entity.items():
        for batch in batches(dict.fromkeys(wanted), _BATCH):
            identities = [KINDS[entity].identity(key) for key in batch]
            for identity in identities:
                require_storable(identity)
            columns = tuple(KINDS[entity].table.c[name] for name in identities[0])
            found |= await _found(connection, tenant, entity, columns, [tuple(one.values()) for one in identities])
    return found, Revision.made(row["revision"], row["made_at"])


async def related(
    connection: AsyncConnection, tenant: str, relation: Relation, values: Sequence[str]
) -> tuple[dict[EntryKey, Payload], Revision]:
    """Return the entries that have a relation to any of the values, with the tenant's revision."""
    revision = await current_revision(connection, tenant)
    if revision == NO_REVISION:
        return {}, NO_REVISION
    found: dict[EntryKey, Payload] = {}
    for batch in batches(dict.fromkeys(values), _BATCH):
        for value in batch:
            require_storable({"value": value})
        if relation is Relation.CHILDREN:
            found |= await _children(connection, tenant, batch)
            continue
        index = _INDEXES[relation]
        wanted = [_values_of(relation, tenant, value) for value in batch]
        found |= await _found(connection, tenant, index.entity, index.columns, wanted)
    return found, revision


def _values_of(relation: Relation, tenant: str, value: str) -> tuple[str, ...]:
    """Return the values of the columns of a relation's index."""
    if relation is Relation.GRANTS_AS:
        return "tenant", tenant, value
    return split_ref(value) if len(_INDEXES[relation].columns) > 1 else (value,)


async def page(
    connection: AsyncConnection, tenant: str, entity: EntryKind, *, after: str, limit: int
) -> tuple[dict[EntryKey, Payload], Revision]:
    """Return up to `limit` entries of one kind whose ID is greater, by ID, with the tenant's revision."""
    require_storable({"after": after})
    revision = await current_revision(connection, tenant)
    kind = KINDS[entity]
    _, id_ = kind.table.primary_key.columns
    query = select(kind.table).where(kind.table.c.tenant == tenant, id_ > after).order_by(id_).limit(limit)
    rows = (await connection.execute(query)).mappings()
    return {(entity, kind.key(row)): kind.payload(row) for row in rows}, revision


async def receipt(
    connection: AsyncConnection, tenant: str, request_id: str, *, since: datetime
) -> tuple[Receipt, Revision] | None:
    """Return the answer to a request since a time, with the revision it made."""
    this = (receipts.c.tenant == tenant) & (receipts.c.request_id == request_id) & (receipts.c.at >= since)
    # The first change of a revision is at position 0, of any kind.
    its = (changes.c.tenant == receipts.c.tenant) & (changes.c.revision == receipts.c.revision)
    made_at = select(changes.c.at).where(its, changes.c.position == 0).scalar_subquery().label("made_at")
    row = (await connection.execute(select(receipts, made_at).where(this))).first()
    if row is None:
        return None
    return Receipt(row.request_id, row.digest, row.response), Revision.made(row.revision, row.made_at)


async def _found(
    connection: AsyncConnection,
    tenant: str,
    entity: EntryKind,
    columns: tuple[Column[str], ...],
    values: Sequence[tuple[str, ...]],
) -> dict[EntryKey, Payload]:
    kind = KINDS[entity]
    rows = await _rows_with(connection, tenant, columns, values)
    found: dict[EntryKey, Payload] = {(entity, kind.key(row)): kind.payload(row) for row in rows}
    return await with_parents(connection, tenant, found) if entity is EntryKind.RESOURCE else found


async def _rows_with(
    connection: AsyncConnection, tenant: str, columns: tuple[Column[str], ...], values: Sequence[tuple[str, ...]]
) -> MappingResult:
    """Return a tenant's rows that hold any of the values in these columns of a table."""
    if len(values) == 1:
        query = _with_one(columns)
        given = {"tenant": tenant, **{one.name: value for one, value in zip(columns, *values, strict=True)}}
    else:
        table = columns[0].table
        query, given = select(table).where(table.c.tenant == tenant, any_of(columns, values)), {}
    found: CursorResult[Any] = await connection.execute(query, given)
    return found.mappings()


@cache
def _with_one(columns: tuple[Column[str], ...]) -> Select[Any]:
    """Return the query for one value, which is what is asked for mostly; to build it costs more than to send it."""
    table = columns[0].table
    return select(table).where(*(column == bindparam(column.name) for column in (table.c.tenant, *columns)))


async def _children(connection: AsyncConnection, tenant: str, parents: Sequence[str]) -> dict[EntryKey, Payload]:
    above = any_of(
        (resource_parents.c.parent_type, resource_parents.c.parent_id), [split_ref(parent) for parent in parents]
    )
    query = select(resource_parents.c.type, resource_parents.c.id).where(resource_parents.c.tenant == tenant, above)
    references = [(row.type, row.id) for row in await connection.execute(query.distinct())]
    found: dict[EntryKey, Payload] = {}
    for batch in batches(references, _BATCH):
        found |= await _found(connection, tenant, EntryKind.RESOURCE, (resources.c.type, resources.c.id), batch)
    return found


async def with_parents(
    connection: AsyncConnection, tenant: str, found: Mapping[EntryKey, Payload]
) -> dict[EntryKey, Payload]:
    """Return resources with their parents, which are stored in rows of their own."""
    above: defaultdict[str, list[str]] = defaultdict(list)
    for batch in batches((reference for _, (reference,) in found), _BATCH):
        columns = (resource_parents.c.type, resource_parents.c.id)
        for row in await _rows_with(connection, tenant, columns, [split_ref(one) for one in batch]):
            above[ref(row["type"], row["id"])].append(ref(row["parent_type"], row["parent_id"]))
    return {
        (entity, (reference,)): {**payload, "parents": [*sorted(above[reference])]}
        for (entity, (reference,)), payload in found.items()
    }


async def with_ancestors(
    connection: AsyncConnection, tenant: str, references: Collection[str]
) -> tuple[dict[str, StoredResource], list[Grant], Revision]:
    """Return resources with all their ancestors, the grants on the resources, and the tenant's revision.

    There are a few statements for each level of ancestors, however many resources there are.
    """
    revision = await current_revision(connection, tenant)
    if revision == NO_REVISION:
        return {}, [], NO_REVISION
    found: dict[str, StoredResource] = {}
    waiting = {*references}
    while waiting:
        stored: dict[EntryKey, Payload] = {}
        for batch in batches(sorted(waiting), _BATCH):
            names = [split_ref(reference) for reference in batch]
            stored |= await _found(connection, tenant, EntryKind.RESOURCE, (resources.c.type, resources.c.id), names)
        level = {key[0]: resource_from_entry(key[0], payload) for (_, key), payload in stored.items()}
        found |= level
        waiting = {parent for resource in level.values() for parent in resource.parents} - found.keys()
    held: list[Grant] = []
    for batch in batches(sorted(references), _BATCH):
        scopes = [split_ref(reference) for reference in batch]
        columns = (grants.c.scope_type, grants.c.scope_id)
        on_them = await _found(connection, tenant, EntryKind.GRANT, columns, scopes)
        held.extend(Grant(*key) for _, key in on_them)
    return found, sorted(held), revision


def any_of(columns: Sequence[Column[str]], values: Sequence[tuple[str, ...]]) -> ColumnElement[bool]:
    """Return the condition that the columns equal one of the values; a common first value is a condition of its own.

    Both databases then walk an index from its start. SQLite does so for rows that are selected, not for listed ones.
    """
    first = {value[0] for value in values}
    if len(columns) == 1:
        return columns[0].in_([value[0] for value in values])
    if len(first) == 1:
        return and_(columns[0] == first.pop(), any_of(columns[1:], [value[1:] for value in values]))
    wanted = _values(*(column(one.name, Text) for one in columns), name="wanted").data([*values]).cte()
    return tuple_(*columns).in_(select(wanted))
