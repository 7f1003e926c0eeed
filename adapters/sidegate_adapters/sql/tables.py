"""The tables: the current state of every tenant, the changes that led there, and the feed's newest sequence.

Each primary key starts with the tenant, so that one tenant's rows lie together and are read in one range.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql

_ARRAY = json.JSONEncoder(separators=(",", ":"))


class UtcDateTime(TypeDecorator[datetime]):
    """A time; written and read as aware UTC also where the database stores no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as aware UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class KeyText(TypeDecorator[tuple[str, ...]]):
    """The key of a change as one JSON text, which both databases can index."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """Return the key as a JSON array."""
        del dialect
        return None if value is None else _ARRAY.encode(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """Return the key from the JSON array."""
        del dialect
        return None if value is None else tuple(json.loads(value))


# Bytewise order everywhere: SQLite's own, and on PostgreSQL the one that no locale changes under an index.
_NAME = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_COUNT = BigInteger().with_variant(Integer, "sqlite")
_OBJECT = JSON(none_as_null=True)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _name(name: str) -> Column[str]:
    return Column(name, _NAME, nullable=False)


tenants = Table(
    "tenants",
    metadata,
    _name("id"),
    Column("pack", Text, nullable=False),
    Column("settings", _OBJECT, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("suspended", Boolean, nullable=False, server_default=text("false")),
    # How many members are active or invited: moved by each write, since counting them would walk the whole tenant.
    Column("seats", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("id"),
    Index(None, "suspended", "id"),
)
members = Table(
    "members",
    metadata,
    _name("tenant"),
    _name("id"),
    Column("status", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("mfa", Boolean, nullable=False),
    Column("quota", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    Column("phone", _NAME, nullable=False, server_default=text("''")),
    # The e-mail as it is compared, folded before it comes here: no two databases fold letters alike.
    Column("email_key", _NAME, nullable=False, server_default=text("''")),
    # The last access is not part of the facts: storing it makes no change in the feed.
    Column("last_access_at", UtcDateTime),
    # The texts that a search covers, one per line, folded like the e-mail.
    Column("text_key", _NAME, nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("tenant", "id"),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    Index(None, "tenant", "email_key"),
    Index(None, "tenant", "phone"),
    Index(None, "tenant", "status", "id"),
    sqlite_with_rowid=False,
)
groups = Table(
    "groups",
    metadata,
    _name("tenant"),
    _name("id"),
    Column("name", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "id"),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    sqlite_with_rowid=False,
)
roles = Table(
    "roles",
    metadata,
    _name("tenant"),
    _name("name"),
    Column("permissions", _OBJECT, nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    sqlite_with_rowid=False,
)
resources = Table(
    "resources",
    metadata,
    _name("tenant"),
    _name("type"),
    _name("id"),
    Column("properties", _OBJECT, nullable=False),
    PrimaryKeyConstraint("tenant", "type", "id"),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
)
# What refers to others has no cascade: a write that removes a group but forgets its members is refused,
# since the changes it would leave could not be replayed.
group_members = Table(
    "group_members",
    metadata,
    _name("tenant"),
    _name("group_id"),
    _name("holder_type"),
    _name("holder_id"),
    PrimaryKeyConstraint("tenant", "group_id", "holder_type", "holder_id"),
    ForeignKeyConstraint(["tenant", "group_id"], ["groups.tenant", "groups.id"]),
    Index(None, "tenant", "holder_type", "holder_id"),
    sqlite_with_rowid=False,
)
resource_parents = Table(
    "resource_parents",
    metadata,
    _name("tenant"),
    _name("type"),
    _name("id"),
    _name("parent_type"),
    _name("parent_id"),
    PrimaryKeyConstraint("tenant", "type", "id", "parent_type", "parent_id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    # The resources of a parent, and of an owner, are read from these in the order of references.
    Index(None, "tenant", "parent_type", "parent_id", "type", "id"),
    sqlite_with_rowid=False,
)
ON_TENANT = "scope_type = 'tenant'"
"""The condition of an index, in the words that a query must use to be led there."""
# The scope's type is first in the key, so that a core is one range per type and never walks the documents' grants.
grants = Table(
    "grants",
    metadata,
    _name("tenant"),
    _name("scope_type"),
    _name("scope_id"),
    _name("role"),
    _name("holder_type"),
    _name("holder_id"),
    PrimaryKeyConstraint("tenant", "scope_type", "scope_id", "role", "holder_type", "holder_id"),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    Index(None, "tenant", "holder_type", "holder_id", "role", "scope_type", "scope_id"),
    # What someone holds on the tenant itself is found among any number of documents.
    Index(
        None,
        *("tenant", "holder_type", "holder_id", "role", "scope_id"),
        sqlite_where=text(ON_TENANT),
        postgresql_where=text(ON_TENANT),
    ),
    sqlite_with_rowid=False,
)
# No foreign key to the member: when a facts document removes a member, its invitation is deleted too.
invitations = Table(
    "invitations",
    metadata,
    _name("tenant"),
    _name("member"),
    Column("id", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "member"),
    ForeignKeyConstraint(["tenant"], ["tenants.id"]),
    sqlite_with_rowid=False,
)
# No foreign key here either: a request that removed its tenant is answered again.
receipts = Table(
    "receipts",
    metadata,
    _name("tenant"),
    _name("request_id"),
    Column("digest", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant", "request_id"),
    Index(None, "tenant", "at"),
)
WITH_CALLER = "caller <> ''"
"""The condition of an index, as queries must write it to use the index."""
# No foreign key to the tenant: what happened outlives it.
changes = Table(
    "changes",
    metadata,
    Column("sequence", _COUNT, autoincrement=False),
    _name("tenant"),
    Column("revision", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("entity", Text, nullable=False),
    Column("key", KeyText, nullable=False),
    Column("before", _OBJECT),
    Column("after", _OBJECT),
    Column("actor", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # Why a quota changed; empty where it was set, and everywhere else.
    Column("cause", Text, nullable=False, server_default=text("''")),
    # The name of the authenticated caller; empty where callers are not authenticated.
    Column("caller", Text, nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("sequence"),
    UniqueConstraint("tenant", "revision", "position"),
    Index(None, "tenant", "sequence"),
    Index(None, "tenant", "entity", "sequence"),
    Index(None, "tenant", "actor", "sequence"),
    Index(
        None,
        *("tenant", "caller", "sequence"),
        sqlite_where=text(WITH_CALLER),
        postgresql_where=text(WITH_CALLER),
    ),
    Index(None, "tenant", "at", "sequence"),
)
# The things that a change names, so that the history of each is read in one range: a grant names three.
change_subjects = Table(
    "change_subjects",
    metadata,
    _name("tenant"),
    _name("subject"),
    Column("sequence", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "subject", "sequence"),
    sqlite_with_rowid=False,
)
# The use of quota by day, so that a year of it is read in as many rows as it has days, however much was sent. A holder
# is a member, or a group that members belonged to when they used theirs.
quota_days = Table(
    "quota_days",
    metadata,
    _name("tenant"),
    _name("holder"),
    Column("day", Date, nullable=False),
    Column("consumed", BigInteger, nullable=False),
    Column("released", BigInteger, nullable=False),
    Column("assigned", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "holder", "day"),
    Index(None, "tenant", "day", "holder"),
    sqlite_with_rowid=False,
)
# One counter row instead of the database's own numbering: a sequence of PostgreSQL is drawn before the commit,
# so a reader could pass over a smaller number that commits later. Updating this row makes the order of sequences
# the order of commits, and leaves no gaps that a reader of the feed would have to explain. It stores the newest
# change's time too: a clock that goes back, or is behind another machine's, never takes time back in the feed.
feed = Table(
    "feed",
    metadata,
    Column("id", Integer, autoincrement=False),
    Column("head", BigInteger, nullable=False),
    Column("at", UtcDateTime),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="one_row"),
)
# Secrets that every sidecar on this database shares; they are not facts, so there are no changes of them.
deployment = Table(
    "deployment",
    metadata,
    _name("name"),
    Column("secret", LargeBinary, nullable=False),
    PrimaryKeyConstraint("name"),
)
# The roles that each pack declares, and those that it declared once.
pack_roles = Table(
    "pack_roles",
    metadata,
    _name("pack"),
    _name("role"),
    Column("declared", Boolean, nullable=False),
    PrimaryKeyConstraint("pack", "role"),
    sqlite_with_rowid=False,
)
