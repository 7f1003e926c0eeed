"""The use of quota by day, added up with each write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.quota import QuotaUse
from sidegate_adapters.sql.batches import batches
from sidegate_adapters.sql.statements import execute_many, upsert
from sidegate_adapters.sql.tables import quota_days

_BATCH: Final = 500
_MAX_SUM: Final = 2**57
"""The bound of a day's sum, so that the sums of a month fit 64 bits."""
_SUMS = (quota_days.c.consumed, quota_days.c.released, quota_days.c.assigned)


async def add_up(connection: AsyncConnection, tenant: str, uses: Mapping[str, QuotaUse], *, day: date) -> None:
    """Add the use of each holder to its day; the caller holds the tenant's lock."""
    for batch in batches(sorted(uses), _BATCH):
        this = (quota_days.c.tenant == tenant) & (quota_days.c.day == day) & quota_days.c.holder.in_(batch)
        rows = await connection.execute(select(quota_days.c.holder, *_SUMS).where(this))
        before = {row.holder: QuotaUse(row.consumed, row.released, row.assigned) for row in rows}
        totals = {holder: before.get(holder, QuotaUse()) + uses[holder] for holder in batch}
        await execute_many(
            connection,
            upsert(connection.dialect.name, quota_days),
            ({"tenant": tenant, "holder": holder, "day": day, **_columns(use)} for holder, use in totals.items()),
        )


def _columns(use: QuotaUse) -> dict[str, int]:
    sums = {"consumed": use.consumed, "released": use.released, "assigned": use.assigned}
    return {name: max(-_MAX_SUM, min(_MAX_SUM, value)) for name, value in sums.items()}
