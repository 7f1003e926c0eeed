"""Whether a tenant is suspended; indexes for the resources of a parent and of an owner, by reference."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SHORTER = (
    ("ix_resource_parents_tenant_parent_type_parent_id", "resource_parents", ["tenant", "parent_type", "parent_id"]),
    ("ix_grants_tenant_holder_type_holder_id", "grants", ["tenant", "holder_type", "holder_id"]),
)
_LONGER = (
    (
        "ix_resource_parents_tenant_parent_type_parent_id_type_id",
        "resource_parents",
        ["tenant", "parent_type", "parent_id", "type", "id"],
    ),
    (
        "ix_grants_tenant_holder_type_holder_id_role_scope_type_scope_id",
        "grants",
        ["tenant", "holder_type", "holder_id", "role", "scope_type", "scope_id"],
    ),
)


def upgrade() -> None:
    op.add_column("tenants", sa.Column("suspended", sa.Boolean, nullable=False, server_default=sa.text("false")))
    op.create_index("ix_tenants_suspended_id", "tenants", ["suspended", "id"])
    _replace(_SHORTER, _LONGER)


def downgrade() -> None:
    _replace(_LONGER, _SHORTER)
    op.drop_index("ix_tenants_suspended_id", table_name="tenants")
    op.drop_column("tenants", "suspended")


def _replace(old: tuple[tuple[str, str, list[str]], ...], new: tuple[tuple[str, str, list[str]], ...]) -> None:
    for name, table, _ in old:
        op.drop_index(name, table_name=table)
    for name, table, columns in new:
        op.create_index(name, table, columns)
