"""The use of quota by day: added up with each write, and told by day, week or month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.quota import Period, QuotaTotal, QuotaUse, UsageQuery
from sidegate.model.revision import Revision
from sidegate_adapters.sql.batches import batches
from sidegate_adapters.sql.entry_rows import require_storable
from sidegate_adapters.sql.queries.feed import stands_at
from sidegate_adapters.sql.queries.keyset import beyond, rows_in_parts
from sidegate_adapters.sql.statements import execute_many, upsert
from sidegate_adapters.sql.tables import quota_days

_BATCH: Final = 500
_MOST: Final = 2**57
"""What a day's sum stops at, so that those of a month fit 64 bits."""
_SUMS = (quota_days.c.consumed, quota_days.c.released, quota_days.c.assigned)


async def add_up(connection: AsyncConnection, tenant: str, uses: Mapping[str, QuotaUse], *, day: date) -> None:
    """Add what holders used to their day; nobody else writes to the tenant meanwhile."""
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


async def page(
    connection: AsyncConnection,
    tenant: str,
    query: UsageQuery,
    *,
    after: tuple[date, str],
    limit: int,
) -> tuple[list[QuotaTotal], Revision]:
    """Return up to `limit` totals by period and holder, beyond a start and a holder, with the tenant's revision."""
    for text in (tenant, query.holder, after[1]):
        require_storable({"text": text})
    read = _by_day if query.period is Period.DAY else _by_period
    revision = await stands_at(connection, tenant)
    return await read(connection, tenant, query, after=after, limit=limit), revision


async def _by_day(
    connection: AsyncConnection, tenant: str, query: UsageQuery, *, after: tuple[date, str], limit: int
) -> list[QuotaTotal]:
    order = (quota_days.c.day, quota_days.c.holder)
    wanted = select(quota_days).where(_of(tenant, query)).order_by(*order)
    rows = await rows_in_parts(connection, wanted, beyond(order, after), limit=limit)
    return [QuotaTotal(row["day"], row["holder"], _use(row)) for row in rows]


async def _by_period(
    connection: AsyncConnection, tenant: str, query: UsageQuery, *, after: tuple[date, str], limit: int
) -> list[QuotaTotal]:
    """Read period after period: each is a short range of days, and those without any use are passed over."""
    of, period = _of(tenant, query), query.period
    found: list[QuotaTotal] = []
    first, past = after
    while len(found) < limit:
        day = await connection.scalar(select(func.min(quota_days.c.day)).where(of, quota_days.c.day >= first))
        if day is None:
            break
        start, end = period.start(day), period.end(day)
        in_period = of & (quota_days.c.day >= start) & (quota_days.c.day < end) & (quota_days.c.holder > past)
        sums = (func.sum(column).label(column.name) for column in _SUMS)
        wanted = select(quota_days.c.holder, *sums).where(in_period).group_by(quota_days.c.holder)
        rows = await connection.execute(wanted.order_by(quota_days.c.holder).limit(limit - len(found)))
        found += [QuotaTotal(start, row["holder"], _use(row)) for row in rows.mappings()]
        first, past = end, ""
    return found


def _of(tenant: str, query: UsageQuery) -> ColumnElement[bool]:
    first, end = query.days
    of = (quota_days.c.tenant == tenant) & (quota_days.c.day >= first) & (quota_days.c.day < end)
    return of & (quota_days.c.holder == query.holder) if query.holder else of


def _use(row: RowMapping) -> QuotaUse:
    return QuotaUse(int(row["consumed"]), int(row["released"]), int(row["assigned"]))


def _columns(use: QuotaUse) -> dict[str, int]:
    sums = {"consumed": use.consumed, "released": use.released, "assigned": use.assigned}
    return {name: max(-_MOST, min(_MOST, value)) for name, value in sums.items()}
