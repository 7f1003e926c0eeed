"""Phones, e-mails as they are compared and last accesses of members; invitations; receipts of requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)
_INDEXES = (
    ("ix_members_tenant_email_key", "members", ["tenant", "email_key"]),
    ("ix_members_tenant_phone", "members", ["tenant", "phone"]),
    ("ix_members_tenant_status", "members", ["tenant", "status"]),
)


def upgrade() -> None:
    op.add_column("members", sa.Column("phone", _NAME, nullable=False, server_default=sa.text("''")))
    op.add_column("members", sa.Column("email_key", _NAME, nullable=False, server_default=sa.text("''")))
    op.add_column("members", sa.Column("last_access_at", _TIME))
    _fill_email_keys()
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)
    op.create_table(
        "invitations",
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("member", _NAME, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "member", name="pk_invitations"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_invitations_tenants"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "receipts",
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("request_id", _NAME, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "request_id", name="pk_receipts"),
    )
    op.create_index("ix_receipts_tenant_at", "receipts", ["tenant", "at"])


def downgrade() -> None:
    op.drop_table("receipts")
    op.drop_table("invitations")
    for name, table, _ in reversed(_INDEXES):
        op.drop_index(name, table_name=table)
    for column in ("last_access_at", "email_key", "phone"):
        op.drop_column("members", column)


def _fill_email_keys() -> None:
    """Fold the e-mails here: no two databases fold letters beyond ASCII alike."""
    members = sa.table("members", sa.column("tenant"), sa.column("id"), sa.column("email"), sa.column("email_key"))
    connection = op.get_bind()
    there = connection.execute(sa.select(members.c.tenant, members.c.id, members.c.email).where(members.c.email != ""))
    rows = [{"of": row.tenant, "member": row.id, "folded": row.email.casefold()} for row in there]
    if rows:
        this = (members.c.tenant == sa.bindparam("of")) & (members.c.id == sa.bindparam("member"))
        connection.execute(sa.update(members).where(this).values(email_key=sa.bindparam("folded")), rows)
