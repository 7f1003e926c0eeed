"""Which roles each pack declares, so that a role that was dropped and is declared again is noticed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "pack_roles",
        sa.Column("pack", _NAME, nullable=False),
        sa.Column("role", _NAME, nullable=False),
        sa.Column("declared", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("pack", "role", name="pk_pack_roles"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("pack_roles")
