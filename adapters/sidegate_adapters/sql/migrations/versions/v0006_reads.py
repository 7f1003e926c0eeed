"""Why quotas changed, their use by day, and changes found by the groups of their actors."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_BATCH = 1_000
_ADD = sa.text(
    "INSERT INTO quota_days (tenant, holder, day, consumed, released, assigned)"
    " VALUES (:tenant, :holder, :day, 0, 0, :assigned)"
    " ON CONFLICT (tenant, holder, day) DO UPDATE SET assigned = quota_days.assigned + excluded.assigned"
).bindparams(sa.bindparam("day", type_=sa.Date))


def upgrade() -> None:
    op.add_column("changes", sa.Column("cause", sa.Text, nullable=False, server_default=sa.text("''")))
    op.create_table(
        "quota_days",
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("holder", _NAME, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("consumed", sa.BigInteger, nullable=False),
        sa.Column("released", sa.BigInteger, nullable=False),
        sa.Column("assigned", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "holder", "day", name="pk_quota_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_quota_days_tenant_day_holder", "quota_days", ["tenant", "day", "holder"])
    _fill()


def downgrade() -> None:
    op.execute("DELETE FROM change_subjects WHERE subject LIKE 'quota/%' OR subject LIKE 'actor/%'")
    op.drop_index("ix_quota_days_tenant_day_holder", table_name="quota_days")
    op.drop_table("quota_days")
    op.drop_column("changes", "cause")


def _fill() -> None:
    """Replay the members of groups, write by write: each write counts for the groups as they are after it."""
    subjects = sa.table("change_subjects", *(sa.column(name) for name in ("tenant", "subject", "sequence")))
    connection = op.get_bind()
    above: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for (tenant, _), rows in groupby(_changes(connection), key=lambda row: (row.tenant, row.revision)):
        write = [*rows]
        for row in write:
            _follow(above[tenant], row)
        named, added = [], []
        for row in write:
            found = {f"actor/{group}" for group in _all_above(row.actor, above[tenant])}
            if more := _quota(row.after) - _quota(row.before) if row.entity == "member" else 0:
                member = f"member:{json.loads(row.key)[0]}"
                holders = {member, *_all_above(member, above[tenant])}
                found |= {"quota/*", *(f"quota/{holder}" for holder in holders)}
                day = (row.at if row.at.tzinfo is None else row.at.astimezone(UTC)).date()
                added += [{"tenant": tenant, "holder": one, "day": day, "assigned": more} for one in holders]
            named += [{"tenant": tenant, "subject": one, "sequence": row.sequence} for one in found]
        for statement, values in ((sa.insert(subjects), named), (_ADD, added)):
            for start in range(0, len(values), _BATCH):
                connection.execute(statement, values[start : start + _BATCH])


def _changes(connection: sa.Connection) -> Iterator[Any]:
    columns: list[Any] = [sa.column(name) for name in ("sequence", "tenant", "revision", "entity", "key", "actor")]
    columns += [sa.column("before", sa.JSON), sa.column("after", sa.JSON), sa.column("at", sa.DateTime(timezone=True))]
    changes = sa.table("changes", *columns)
    after = 0
    while True:
        page = sa.select(changes).where(changes.c.sequence > after).order_by(changes.c.sequence).limit(_BATCH)
        rows = connection.execute(page).all()
        if not rows:
            return
        after = rows[-1].sequence
        yield from rows


def _follow(above: defaultdict[str, set[str]], row: Any) -> None:
    if row.entity == "group_member":
        group, holder = json.loads(row.key)
        (above[holder].add if row.after is not None else above[holder].discard)(f"group:{group}")
    elif row.entity == "tenant" and row.after is None:
        above.clear()


def _all_above(holder: str, above: defaultdict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*above.get(holder, ())]
    while waiting:
        group = waiting.pop()
        if group not in found:
            found.add(group)
            waiting += above.get(group, ())
    return found


def _quota(payload: dict[str, Any] | None) -> int:
    return (payload or {}).get("quota") or 0
