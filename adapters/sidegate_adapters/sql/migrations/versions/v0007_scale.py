"""Constant cost of reads as tenants grow: seats counted, texts folded, and indexes in the order of the pages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_BATCH = 1_000
_ON_TENANT = sa.text("scope_type = 'tenant'")


def upgrade() -> None:
    op.add_column("tenants", sa.Column("seats", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("members", sa.Column("text_key", _NAME, nullable=False, server_default=sa.text("''")))
    op.drop_index("ix_members_tenant_status", table_name="members")
    op.create_index("ix_members_tenant_status_id", "members", ["tenant", "status", "id"])
    op.create_index(
        "ix_grants_tenant_holder_type_holder_id_role_scope_id",
        "grants",
        ["tenant", "holder_type", "holder_id", "role", "scope_id"],
        sqlite_where=_ON_TENANT,
        postgresql_where=_ON_TENANT,
    )
    op.execute(
        "UPDATE tenants SET seats = (SELECT count(*) FROM members"
        " WHERE members.tenant = tenants.id AND members.status IN ('active', 'pending'))"
    )
    _fill_text_keys()


def downgrade() -> None:
    op.drop_index("ix_grants_tenant_holder_type_holder_id_role_scope_id", table_name="grants")
    op.drop_index("ix_members_tenant_status_id", table_name="members")
    op.create_index("ix_members_tenant_status", "members", ["tenant", "status"])
    op.drop_column("members", "text_key")
    op.drop_column("tenants", "seats")


def _fill_text_keys() -> None:
    """Fold the texts here, along the key and in batches: no two databases fold letters beyond ASCII alike."""
    names = ("tenant", "id", "name", "email", "phone", "text_key")
    members = sa.table("members", *(sa.column(name) for name in names))
    this = (members.c.tenant == sa.bindparam("of")) & (members.c.id == sa.bindparam("member"))
    folding = sa.update(members).where(this).values(text_key=sa.bindparam("folded"))
    connection = op.get_bind()
    key = sa.tuple_(members.c.tenant, members.c.id)
    after: tuple[str, str] = ("", "")
    while True:
        page = sa.select(members).where(key > sa.tuple_(*after)).order_by(members.c.tenant, members.c.id).limit(_BATCH)
        rows = connection.execute(page).all()
        if not rows:
            return
        after = (rows[-1].tenant, rows[-1].id)
        folded = [
            {
                "of": row.tenant,
                "member": row.id,
                "folded": f"{row.id}\n{row.name}\n{row.email}\n{row.phone}".casefold(),
            }
            for row in rows
        ]
        connection.execute(folding, folded)
