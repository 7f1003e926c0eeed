"""The seats that a tenant's members take (EF-13), counted beside the tenant as they change."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.entry import Payload
from sidegate.model.facts import MemberStatus
from sidegate.model.revision import NO_REVISION, Revision
from sidegate_adapters.sql.batches import batches
from sidegate_adapters.sql.queries.feed import MADE_AT
from sidegate_adapters.sql.tables import members, tenants

_SEATED = (MemberStatus.ACTIVE.value, MemberStatus.PENDING.value)
_BATCH = 1_000


async def taken(connection: AsyncConnection, tenant: str) -> tuple[int, Revision]:
    """Return how many members are active or invited, with the tenant's revision."""
    query = select(tenants.c.seats, tenants.c.revision, MADE_AT).where(tenants.c.id == tenant)
    row = (await connection.execute(query)).first()
    return (0, NO_REVISION) if row is None else (row.seats, Revision.made(row.revision, row.made_at))


def among(people: Mapping[str, Payload | None]) -> int:
    """Return how many of these members take a seat; None is a deleted member."""
    return sum(payload is not None and payload["status"] in _SEATED for payload in people.values())


async def more(connection: AsyncConnection, tenant: str, people: Mapping[str, Payload | None]) -> int:
    """Return how many more seats are taken once these members are so.

    What they take until then is counted from their rows, not from what a writer says of them: the counter can't drift.
    """
    count = among(people)
    for batch in batches(people, _BATCH):
        stored = (members.c.tenant == tenant) & members.c.id.in_(batch) & members.c.status.in_(_SEATED)
        count -= await connection.scalar(select(func.count()).where(stored)) or 0
    return count
