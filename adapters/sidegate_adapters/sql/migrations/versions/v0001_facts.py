"""The facts of tenants, the changes that led there, and the feed's newest sequence."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_COUNT = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_OBJECT = sa.JSON(none_as_null=True)
_TIME = sa.DateTime(timezone=True)


def _name(name: str) -> sa.Column[str]:
    return sa.Column(name, _NAME, nullable=False)


def upgrade() -> None:
    _make_tenants()
    _make_members()
    _make_resources()
    _make_changes()


def downgrade() -> None:
    for table in (
        *("feed", "changes", "grants", "resource_parents", "resources"),
        *("roles", "group_members", "groups", "members", "tenants"),
    ):
        op.drop_table(table)


def _make_tenants() -> None:
    op.create_table(
        "tenants",
        _name("id"),
        sa.Column("pack", sa.Text, nullable=False),
        sa.Column("settings", _OBJECT, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
    )


def _make_members() -> None:
    op.create_table(
        "members",
        _name("tenant"),
        _name("id"),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("mfa", sa.Boolean, nullable=False),
        sa.Column("quota", sa.BigInteger),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_members"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_members_tenants"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "groups",
        _name("tenant"),
        _name("id"),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_groups"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_groups_tenants"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "group_members",
        _name("tenant"),
        _name("group_id"),
        _name("holder_type"),
        _name("holder_id"),
        sa.PrimaryKeyConstraint("tenant", "group_id", "holder_type", "holder_id", name="pk_group_members"),
        sa.ForeignKeyConstraint(["tenant", "group_id"], ["groups.tenant", "groups.id"], name="fk_group_members_groups"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_group_members_tenant_holder_type_holder_id", "group_members", ["tenant", "holder_type", "holder_id"]
    )
    op.create_table(
        "roles",
        _name("tenant"),
        _name("name"),
        sa.Column("permissions", _OBJECT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_roles"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_roles_tenants"),
        sqlite_with_rowid=False,
    )


def _make_resources() -> None:
    op.create_table(
        "resources",
        _name("tenant"),
        _name("type"),
        _name("id"),
        sa.Column("properties", _OBJECT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "type", "id", name="pk_resources"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_resources_tenants"),
    )
    op.create_table(
        "resource_parents",
        _name("tenant"),
        _name("type"),
        _name("id"),
        _name("parent_type"),
        _name("parent_id"),
        sa.PrimaryKeyConstraint("tenant", "type", "id", "parent_type", "parent_id", name="pk_resource_parents"),
        sa.ForeignKeyConstraint(
            ["tenant", "type", "id"],
            ["resources.tenant", "resources.type", "resources.id"],
            name="fk_resource_parents_resources",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_resource_parents_tenant_parent_type_parent_id", "resource_parents", ["tenant", "parent_type", "parent_id"]
    )
    op.create_table(
        "grants",
        *map(_name, ("tenant", "scope_type", "scope_id", "role", "holder_type", "holder_id")),
        sa.PrimaryKeyConstraint(
            "tenant", "scope_type", "scope_id", "role", "holder_type", "holder_id", name="pk_grants"
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_grants_tenants"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_grants_tenant_holder_type_holder_id", "grants", ["tenant", "holder_type", "holder_id"])


def _make_changes() -> None:
    op.create_table(
        "changes",
        sa.Column("sequence", _COUNT, autoincrement=False),
        _name("tenant"),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("before", _OBJECT),
        sa.Column("after", _OBJECT),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_changes"),
        sa.UniqueConstraint("tenant", "revision", "position", name="uq_changes_tenant_revision_position"),
    )
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer, autoincrement=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feed"),
        # Alembic applies no naming convention here: this is the constraint's whole name.
        sa.CheckConstraint("id = 1", name="ck_feed_one_row"),
    )
    op.execute("INSERT INTO feed (id, head) VALUES (1, 0)")
