"""Lists of the store: the queries, and the records on a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sidegate.model.facts import Member, MemberStatus, StoredResource
from sidegate.model.properties import Properties
from sidegate.model.revision import Revision


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """A tenant as lists show it; `seats_taken` are its active and invited members."""

    id: str
    pack: str
    settings: Properties
    suspended: bool
    created_at: datetime
    seats_taken: int
    revision: Revision


@dataclass(frozen=True, slots=True)
class TenantQuery:
    """Which tenants to list: every given condition must hold."""

    suspended: bool | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantSize:
    """How much there is in a tenant."""

    members: int
    resources: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """A pending invitation; a new one for the same member has another ID."""

    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A member as lists show it: `roles` are those held on the tenant itself, `groups` the direct ones.

    `created_at` is None if the member is not written yet.
    """

    member: Member
    created_at: datetime | None = None
    last_access_at: datetime | None = None
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    invitation: Invitation | None = None


@dataclass(frozen=True, slots=True)
class MemberQuery:
    """Which members to list: every given condition must hold; ID, name, e-mail or phone contains `text`."""

    status: MemberStatus | None = None
    role: str = ""
    group: str = ""
    text: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """A registered resource as lists show it; `owner` is a reference, "" if it has no owner."""

    resource: StoredResource
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ResourceQuery:
    """Which resources to list: every given condition must hold; `parent` and `owner` are references."""

    type: str = ""
    parent: str = ""
    owner: str = ""


class Relation(StrEnum):
    """What can be looked up by an index, and by which value."""

    GRANTS_OF = "grants_of"  # grants by their holder
    GRANTS_ON = "grants_on"  # grants by their scope
    GRANTS_AS = "grants_as"  # grants on the tenant by their role
    GROUPS_OF = "groups_of"  # group members by the member or group that belongs
    INSIDE = "inside"  # group members by the group's ID
    CHILDREN = "children"  # resources by a parent
    EMAIL = "email"  # members by their case-folded e-mail
    PHONE = "phone"  # members by their phone number


@dataclass(frozen=True, slots=True)
class GrantQuery:
    """Which grants to list: those that a `grants_…` relation links to a value, on scopes of these types if any."""

    relation: Relation
    value: str
    scope_types: frozenset[str] = frozenset()
