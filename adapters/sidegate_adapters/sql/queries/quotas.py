"""The use of quota in totals by day, week or month."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement, RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.quota import Period, QuotaTotal, QuotaUse, UsageQuery
from sidegate.model.revision import Revision
from sidegate_adapters.sql.entry_rows import require_storable
from sidegate_adapters.sql.queries.feed import current_revision
from sidegate_adapters.sql.queries.keyset import beyond, rows_in_parts
from sidegate_adapters.sql.tables import quota_days

_SUMS = (quota_days.c.consumed, quota_days.c.released, quota_days.c.assigned)


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
    revision = await current_revision(connection, tenant)
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
