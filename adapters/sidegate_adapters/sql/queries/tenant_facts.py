"""A whole tenant from its rows, straight into facts: a large one has hundreds of thousands of rows."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.reference import ref
from sidegate.model.revision import Revision
from sidegate.runtime.garbage_collection import garbage_collection_paused
from sidegate.runtime.time_slices import next_time_slice
from sidegate_adapters.sql.queries.feed import MADE_AT
from sidegate_adapters.sql.tables import (
    grants,
    group_members,
    groups,
    members,
    resource_parents,
    resources,
    roles,
    tenants,
)

_BATCH = 200
_Rows: TypeAlias = Sequence[Any]
_STATUS: Mapping[str, MemberStatus] = {status.value: status for status in MemberStatus}
_MEMBERS = select(
    *(members.c.id, members.c.status, members.c.name, members.c.email, members.c.mfa, members.c.quota, members.c.phone)
)
_INSIDE = select(group_members.c.group_id, group_members.c.holder_type, group_members.c.holder_id)
_GRANTS = select(*(grants.c.role, grants.c.scope_type, grants.c.scope_id, grants.c.holder_type, grants.c.holder_id))


@dataclass(frozen=True, slots=True)
class _Stored:
    """The rows of one tenant."""

    tenant: RowMapping
    members: _Rows
    groups: _Rows
    inside: _Rows
    roles: _Rows
    grants: _Rows
    resources: _Rows = ()
    parents: _Rows = ()

    def facts(self) -> TenantFacts:
        """Return what the rows say."""
        with garbage_collection_paused(len(self.members) + len(self.inside) + len(self.grants) + len(self.resources)):
            return self._facts()

    def _facts(self) -> TenantFacts:
        return TenantFacts(
            id=self.tenant["id"],
            pack=self.tenant["pack"],
            settings=self.tenant["settings"],
            suspended=self.tenant["suspended"],
            members={
                id_: Member(id_, _STATUS[status], name, email, mfa, quota, phone)
                for id_, status, name, email, mfa, quota, phone in self.members
            },
            groups=self._groups(),
            roles={
                name: CustomRole(name, {type_: frozenset(actions) for type_, actions in permissions.items()})
                for name, permissions in self.roles
            },
            resources=self._resources(),
            grants=frozenset(
                Grant(role, f"{scope_type}:{scope_id}", f"{holder_type}:{holder_id}")
                for role, scope_type, scope_id, holder_type, holder_id in self.grants
            ),
        )

    def _groups(self) -> dict[str, Group]:
        inside: defaultdict[str, list[str]] = defaultdict(list)
        for group, holder_type, holder_id in self.inside:
            inside[group].append(f"{holder_type}:{holder_id}")
        return {id_: Group(id_, name, frozenset(inside[id_])) for id_, name in self.groups}

    def _resources(self) -> dict[str, StoredResource]:
        above: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for type_, id_, parent_type, parent_id in self.parents:
            above[type_, id_].append(ref(parent_type, parent_id))
        return {
            ref(type_, id_): StoredResource(type_, id_, frozenset(above[type_, id_]), properties)
            for type_, id_, properties in self.resources
        }


async def facts(connection: AsyncConnection, tenant: str) -> tuple[TenantFacts, Revision] | None:
    """Return all facts of a tenant with their revision, None where there is no such tenant."""
    stored = select(resources.c.type, resources.c.id, resources.c.properties).where(resources.c.tenant == tenant)
    above = resource_parents.c
    parents = select(above.type, above.id, above.parent_type, above.parent_id).where(above.tenant == tenant)
    return await _facts(connection, tenant, grants.c.tenant == tenant, resources=stored, parents=parents)


async def core(
    connection: AsyncConnection, tenant: str, scope_types: Collection[str]
) -> tuple[TenantFacts, Revision] | None:
    """Return a tenant's facts without its resources, with only the grants on scopes of the given types."""
    return await _facts(connection, tenant, (grants.c.tenant == tenant) & grants.c.scope_type.in_(sorted(scope_types)))


async def batched_rows(connection: AsyncConnection, query: Select[*tuple[Any, ...]]) -> AsyncIterator[Sequence[Any]]:
    """Yield the rows of a query that may have very many in batches, so that the event loop serves others between."""
    async for batch in (await connection.stream(query)).partitions(_BATCH):
        await next_time_slice()
        yield batch


async def _facts(
    connection: AsyncConnection, tenant: str, granted: ColumnElement[bool], **more: Select[*tuple[Any, ...]]
) -> tuple[TenantFacts, Revision] | None:
    row = (await connection.execute(select(tenants, MADE_AT).where(tenants.c.id == tenant))).mappings().first()
    if row is None:
        return None
    queries = {
        "members": _MEMBERS.where(members.c.tenant == tenant),
        "groups": select(groups.c.id, groups.c.name).where(groups.c.tenant == tenant),
        "inside": _INSIDE.where(group_members.c.tenant == tenant),
        "roles": select(roles.c.name, roles.c.permissions).where(roles.c.tenant == tenant),
        "grants": _GRANTS.where(granted),
        **more,
    }
    # Python's garbage collector skips plain tuples of strings, but would traverse row objects repeatedly.
    rows = {
        name: [tuple(one) async for batch in batched_rows(connection, query) for one in batch]
        for name, query in queries.items()
    }
    # Building a large tenant takes long enough that the event loop should not wait for it.
    return await asyncio.to_thread(_Stored(row, **rows).facts), Revision.made(row["revision"], row["made_at"])
