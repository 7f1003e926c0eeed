"""What each change names, indexes over the changes, and the time of the newest one."""

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_BATCH = 1_000
_INDEXES = (
    ("ix_changes_tenant_sequence", ["tenant", "sequence"]),
    ("ix_changes_tenant_entity_sequence", ["tenant", "entity", "sequence"]),
    ("ix_changes_tenant_actor_sequence", ["tenant", "actor", "sequence"]),
    ("ix_changes_tenant_at_sequence", ["tenant", "at", "sequence"]),
)


def upgrade() -> None:
    op.create_table(
        "change_subjects",
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("subject", _NAME, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", "sequence", name="pk_change_subjects"),
        sqlite_with_rowid=False,
    )
    for name, columns in _INDEXES:
        op.create_index(name, "changes", columns)
    op.add_column("feed", sa.Column("at", sa.DateTime(timezone=True)))
    op.execute("UPDATE feed SET at = (SELECT max(at) FROM changes)")
    _fill_subjects()


def downgrade() -> None:
    op.drop_column("feed", "at")
    for name, _ in reversed(_INDEXES):
        op.drop_index(name, table_name="changes")
    op.drop_table("change_subjects")


def _fill_subjects() -> None:
    changes = sa.table("changes", *(sa.column(name) for name in ("sequence", "tenant", "entity", "key")))
    subjects = sa.table("change_subjects", *(sa.column(name) for name in ("tenant", "subject", "sequence")))
    connection = op.get_bind()
    after = 0
    while True:
        page = sa.select(changes).where(changes.c.sequence > after)
        rows = connection.execute(page.order_by(changes.c.sequence).limit(_BATCH)).all()
        if not rows:
            return
        after = rows[-1].sequence
        named = [
            {"tenant": row.tenant, "subject": subject, "sequence": row.sequence}
            for row in rows
            for subject in {*_subjects(row.tenant, row.entity, json.loads(row.key))}
        ]
        connection.execute(sa.insert(subjects), named)


def _subjects(tenant: str, entity: str, key: list[str]) -> Iterator[str]:
    if entity == "tenant":
        yield f"tenant:{tenant}"
    elif entity == "resource":
        yield key[0]
    elif entity == "group_member":
        yield from (f"group:{key[0]}", key[1])
    elif entity == "grant":
        yield from (f"role:{key[0]}", *key[1:])
    elif entity == "invitation":
        yield f"member:{key[0]}"
    else:
        yield f"{entity}:{key[0]}"
