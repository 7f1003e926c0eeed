"""The facts that decisions are made from: members, groups, roles, resources and grants of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from sidegate.model.properties import NO_PROPERTIES, Properties
from sidegate.model.reference import ref


class MemberStatus(StrEnum):
    """Whether a member can be allowed anything (EL-06, EL-07, EL-08)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Member:
    """An account in a tenant; `quota` is None where none was ever set."""

    id: str
    status: MemberStatus = MemberStatus.ACTIVE
    name: str = ""
    email: str = ""
    mfa: bool = False
    quota: int | None = None
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A team, division or department; `members` are references to members and groups inside it."""

    id: str
    name: str = ""
    members: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CustomRole:
    """A role that a tenant made: resource type -> actions it allows."""

    name: str
    permissions: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class StoredResource:
    """A registered resource; `parents` are references, at most one of each type."""

    type: str
    id: str
    parents: frozenset[str] = frozenset()
    properties: Properties = field(default_factory=lambda: NO_PROPERTIES)

    @property
    def ref(self) -> str:
        """The resource's reference."""
        return ref(self.type, self.id)


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A role held on a scope; ownership is a grant of the role `owner`. `scope` and `holder` are references."""

    role: str
    scope: str
    holder: str


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """All that is stored about one tenant; `pack` is "" where the server's default decides.

    Nobody in a suspended tenant is allowed anything.
    """

    id: str
    pack: str = ""
    settings: Properties = field(default_factory=lambda: NO_PROPERTIES)
    members: Mapping[str, Member] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    roles: Mapping[str, CustomRole] = field(default_factory=dict)
    resources: Mapping[str, StoredResource] = field(default_factory=dict)
    grants: frozenset[Grant] = frozenset()
    suspended: bool = False
