"""The history of a tenant: its changes by subject, and its facts at a revision."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.change import ChangeQuery, EntryKind, RecordedChange
from sidegate.model.entry import EntryKey, Payload, actor_subject, from_entries
from sidegate.model.facts import TenantFacts
from sidegate.model.reference import ref
from sidegate.runtime.time_slices import in_time_slices
from sidegate_adapters.sql.entry_rows import require_storable
from sidegate_adapters.sql.queries.feed import recorded
from sidegate_adapters.sql.queries.tenant_facts import batched_rows
from sidegate_adapters.sql.tables import WITH_CALLER, change_subjects, changes

_WITH_CALLER = text(WITH_CALLER)
_NOTHING = (1, 0)
"""Bounds between which there is no sequence."""


async def page(
    connection: AsyncConnection, tenant: str, query: ChangeQuery, *, after: int, limit: int
) -> list[RecordedChange]:
    """Return up to `limit` changes in the query's order, beyond the sequence `after`, 0 for the order's beginning."""
    for value in (tenant, query.actor, query.caller, query.actor_group, *query.subjects):
        require_storable({"text": value})
    lowest, highest = await _bounds(connection, tenant, query)
    wanted, sequence = _wanted(tenant, query)
    if lowest is not None:
        wanted = wanted.where(sequence >= lowest)
    if highest is not None:
        wanted = wanted.where(sequence <= highest)
    if after:
        wanted = wanted.where(sequence > after if query.oldest_first else sequence < after)
    ordered = wanted.order_by(sequence if query.oldest_first else sequence.desc()).limit(limit)
    return [recorded(row) async for row in in_time_slices((await connection.execute(ordered)).mappings())]


async def revision_at(connection: AsyncConnection, tenant: str, at: datetime | None) -> int:
    """Return the number of the newest revision that was made until then, 0 where there is none."""
    require_storable({"tenant": tenant})
    of_tenant = select(changes.c.revision).where(changes.c.tenant == tenant).limit(1)
    if at is None:
        newest = of_tenant.order_by(changes.c.revision.desc())
    else:
        newest = of_tenant.where(changes.c.at <= at).order_by(changes.c.at.desc(), changes.c.sequence.desc())
    return await connection.scalar(newest) or 0


async def facts_at(connection: AsyncConnection, tenant: str, number: int) -> TenantFacts | None:
    """Return the facts that the changes up to a revision lead to; None if the tenant did not exist then."""
    entries: dict[EntryKey, Payload] = {}
    states = select(changes.c.entity, changes.c.key, changes.c.after)
    until = states.where(changes.c.tenant == tenant, changes.c.revision <= number)
    async for batch in batched_rows(connection, until.order_by(changes.c.revision, changes.c.position)):
        for entity, key, after in batch:
            _replay(entries, (EntryKind(entity), key), after)
    if (EntryKind.TENANT, ()) not in entries:
        return None
    return await asyncio.to_thread(from_entries, tenant, entries)


async def tenants_ever(connection: AsyncConnection) -> list[str]:
    """Return all tenants that have changes, one step along the index for each instead of one for each change."""
    first = select(func.min(changes.c.tenant).label("id")).cte("ever", recursive=True)
    following = select(func.min(changes.c.tenant)).where(changes.c.tenant > first.c.id).scalar_subquery()
    every = first.union_all(select(following).where(first.c.id.is_not(None)))
    return [*(await connection.scalars(select(every.c.id).where(every.c.id.is_not(None)).order_by(every.c.id)))]


def _wanted(tenant: str, query: ChangeQuery) -> tuple[Select[*tuple[Any, ...]], Column[int]]:
    """Return the changes without bounds and order, and the column that orders them in the index they are read by."""
    subjects = (*query.subjects, *([actor_subject(ref("group", query.actor_group))] if query.actor_group else ()))
    if subjects:
        leading, *others = subjects
        sequence: Column[int] = change_subjects.c.sequence
        joined = changes.join(change_subjects, changes.c.sequence == sequence)
        wanted = select(changes).select_from(joined).where(*_names(tenant, leading))
        for other in others:
            wanted = wanted.where(_also_names(tenant, other, sequence))
    else:
        sequence = changes.c.sequence
        wanted = select(changes).where(changes.c.tenant == tenant)
    if query.entity is not None:
        wanted = wanted.where(changes.c.entity == query.entity.value)
    if query.actor:
        wanted = wanted.where(changes.c.actor == query.actor)
    if query.caller:
        wanted = wanted.where(changes.c.caller == query.caller, _WITH_CALLER)
    return wanted, sequence


def _names(tenant: str, subject: str) -> tuple[ColumnElement[bool], ...]:
    return change_subjects.c.tenant == tenant, change_subjects.c.subject == subject


def _also_names(tenant: str, subject: str, sequence: Column[int]) -> ColumnElement[bool]:
    also = change_subjects.alias()
    return exists().where(also.c.tenant == tenant, also.c.subject == subject, also.c.sequence == sequence)


async def _bounds(connection: AsyncConnection, tenant: str, query: ChangeQuery) -> tuple[int | None, int | None]:
    """Return the first and last sequence of the query's times, which grow with the sequence."""
    of_tenant = select(changes.c.sequence).where(changes.c.tenant == tenant).limit(1)
    lowest = highest = None
    if query.since is not None:
        first = of_tenant.where(changes.c.at >= query.since).order_by(changes.c.at, changes.c.sequence)
        lowest = await connection.scalar(first)
        if lowest is None:
            return _NOTHING
    if query.until is not None:
        last = of_tenant.where(changes.c.at < query.until).order_by(changes.c.at.desc(), changes.c.sequence.desc())
        highest = await connection.scalar(last)
        if highest is None:
            return _NOTHING
    return lowest, highest


def _replay(entries: dict[EntryKey, Payload], entry: EntryKey, after: Payload | None) -> None:
    if after is not None:
        entries[entry] = after
    elif entry[0] is EntryKind.TENANT:
        entries.clear()
    else:
        entries.pop(entry, None)
