"""The groups that members belong to, directly and through other groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.reference import ref, split_ref
from sidegate_adapters.sql.batches import batches
from sidegate_adapters.sql.tables import group_members

_BATCH: Final = 500


async def groups_of(connection: AsyncConnection, tenant: str, members: Collection[str]) -> dict[str, frozenset[str]]:
    """Return the groups that each of the members belongs to, directly or through others, all by their references."""
    above: defaultdict[str, set[str]] = defaultdict(set)
    waiting = {*members}
    while waiting:
        found: set[str] = set()
        for type_ in sorted({split_ref(one)[0] for one in waiting}):
            ids = [id_ for of, id_ in map(split_ref, sorted(waiting)) if of == type_]
            for holder, group in await _direct(connection, tenant, type_, ids):
                above[holder].add(group)
                found.add(group)
        waiting = found - above.keys()
    return {member: frozenset(_all_above(member, above)) for member in members}


async def _direct(connection: AsyncConnection, tenant: str, type_: str, ids: Iterable[str]) -> list[tuple[str, str]]:
    inside = select(group_members.c.holder_id, group_members.c.group_id).where(
        group_members.c.tenant == tenant, group_members.c.holder_type == type_
    )
    found: list[tuple[str, str]] = []
    for batch in batches(ids, _BATCH):
        rows = await connection.execute(inside.where(group_members.c.holder_id.in_(batch)))
        found += [(ref(type_, row.holder_id), ref("group", row.group_id)) for row in rows]
    return found


def _all_above(member: str, above: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*above.get(member, ())]
    while waiting:
        group = waiting.pop()
        if group not in found:
            found.add(group)
            waiting += above.get(group, ())
    return found
