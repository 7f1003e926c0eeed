"""Which caller made each change, beside the actor in whose name it was made."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CALLED = sa.text("caller <> ''")


def upgrade() -> None:
    op.add_column("changes", sa.Column("caller", sa.Text, nullable=False, server_default=sa.text("''")))
    op.create_index(
        "ix_changes_tenant_caller_sequence",
        "changes",
        ["tenant", "caller", "sequence"],
        sqlite_where=_CALLED,
        postgresql_where=_CALLED,
    )


def downgrade() -> None:
    op.drop_index("ix_changes_tenant_caller_sequence", table_name="changes")
    op.drop_column("changes", "caller")
