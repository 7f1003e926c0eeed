"""The schema of a pack: what pack.yaml declares, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sidegate.model.decision import Obligation
from sidegate.model.properties import Json
from sidegate.model.rules import Row

TENANT: Final = "tenant"
OWNER: Final = "owner"
BUILT_IN: Final = frozenset({"ref", "type", "id"})
"""The properties that subjects, resources and tenants always have; all three are strings."""
MEMBER_BUILT_IN: Final[Mapping[str, str]] = {
    "ref": "string",
    "type": "string",
    "id": "string",
    "status": "string",
    "name": "string",
    "email": "string",
    "mfa": "boolean",
    "quota": "integer",
}
"""The properties that every subject has, with their types."""
RESOURCE_ACTIONS: Final = (
    "viewed_with",
    "monitored_with",
    "cloned_with",
    "updated_with",
    "moved_with",
    "deleted_with",
)
"""The keys of a resource type that name the action on one resource which lets a member do something to it."""
_DEFAULTS: Final[Mapping[str, Json]] = {"string": "", "integer": 0, "number": 0.0, "boolean": False}
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


class Count(StrEnum):
    """How many may hold a role on one scope."""

    ANY = "any"
    AT_MOST_ONE = "at_most_one"
    EXACTLY_ONE = "exactly_one"


class HeldBy(StrEnum):
    """Who holds a role without a grant."""

    GRANT = "grant"
    GROUP = "group"  # the members of a group hold it on that group
    MEMBER = "member"  # a member holds it on the resource of its own ID, of a type declared `of: member`


class InstanceOf(StrEnum):
    """Where the instances of a resource type come from."""

    RESOURCES = "resources"  # registered one by one
    MEMBER = "member"  # one per member, with the member's ID
    GROUP = "group"  # one per group
    ROLE = "role"  # one per role


class Operation(StrEnum):
    """What a member can read and write of the membership; the pack names the action that each one needs."""

    GET_TENANT = "get_tenant"
    LIST_MEMBERS = "list_members"
    GET_MEMBER = "get_member"
    LIST_ROLES = "list_roles"
    GET_ROLE = "get_role"
    LIST_GROUPS = "list_groups"
    GET_GROUP = "get_group"
    LIST_GRANTS = "list_grants"
    LIST_RESOURCES = "list_resources"
    VIEW_QUOTA = "view_quota"
    VIEW_HISTORY = "view_history"
    VIEW_ACTIVITY = "view_activity"
    VIEW_AUDIT = "view_audit"
    EXPORT_REPORT = "export_report"
    UPDATE_TENANT = "update_tenant"
    SUSPEND_TENANT = "suspend_tenant"
    DELETE_TENANT = "delete_tenant"
    INVITE_MEMBER = "invite_member"
    UPDATE_MEMBER = "update_member"
    DEACTIVATE_MEMBER = "deactivate_member"
    ACTIVATE_MEMBER = "activate_member"
    DELETE_MEMBER = "delete_member"
    ASSIGN_ROLE = "assign_role"
    DELEGATE = "delegate"
    TRANSFER_DOCUMENTS = "transfer_documents"
    DELETE_DOCUMENTS = "delete_documents"
    CREATE_ROLE = "create_role"
    UPDATE_ROLE = "update_role"
    DELETE_ROLE = "delete_role"
    COPY_ROLE = "copy_role"
    ASSIGN_QUOTA = "assign_quota"
    CREATE_GROUP = "create_group"
    UPDATE_GROUP = "update_group"
    DELETE_GROUP = "delete_group"


class Source(StrEnum):
    """Where a property's value comes from; a claim of the request never replaces a stored value."""

    STORED = "stored"
    REQUEST = "request"


class EnforcedBy(StrEnum):
    """What enforces a rule."""

    RULES = "rules"  # rows of policy.csv
    MEMBERSHIP = "membership"  # the state of tenant and member, before any row
    STORE = "store"  # what the store accepts and refuses


@dataclass(frozen=True, slots=True)
class Property:
    """A declared property; where no value is known it has its `default`, so that a condition never raises."""

    name: str
    type: str  # string, integer, number, boolean or list (of strings)
    source: Source
    default: Json

    def accepts(self, value: Json) -> bool:
        """Return whether `value` is of the declared type; a boolean is no number."""
        if self.type == "list":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        if isinstance(value, bool):
            return self.type == "boolean"
        return isinstance(value, _TYPES[self.type])


def default_of(type_: str) -> Json:
    """Return the value of a property of this type where no default is declared."""
    return [] if type_ == "list" else _DEFAULTS[type_]


@dataclass(frozen=True, slots=True)
class Role:
    """A role and the scope types that it can be held on.

    Who grants it on the tenant must hold one of `granted_by`, unless this is empty; who grants it elsewhere must be
    allowed the action `granted_with` on the scope.
    """

    name: str
    on: frozenset[str]
    count: Count = Count.ANY
    held_by: HeldBy = HeldBy.GRANT
    granted_by: frozenset[str] = frozenset()
    granted_with: str = ""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type of resource: its actions, the types its parents may have, and its properties.

    `registered_with` maps types to the action that lets a member register one: a parent's type to an action on that
    parent, the type itself to an action on the type as a whole. `moved_into` maps types of parents to the action that a
    move to such a parent needs besides `moved_with`. `viewed_with` (its record, and who holds what on it),
    `monitored_with` (how many resources are in it, and when it was used), `cloned_with`, `updated_with` (its
    properties), `moved_with` (its parents) and `deleted_with` are actions on the resource. What is empty is for the
    platform alone, but `moved_into` asks nothing more where it is.
    """

    name: str
    actions: tuple[str, ...]
    parents: frozenset[str] = frozenset()
    instances: InstanceOf = InstanceOf.RESOURCES
    properties: Mapping[str, Property] | None = None
    registered_with: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    moved_into: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    viewed_with: str = ""
    monitored_with: str = ""
    cloned_with: str = ""
    updated_with: str = ""
    moved_with: str = ""
    deleted_with: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's ID with its text; a denial by it has the `reason` and the `obligations`."""

    id: str
    text: str
    reason: str = ""
    obligations: tuple[Obligation, ...] = ()
    enforced_by: frozenset[EnforcedBy] = frozenset({EnforcedBy.RULES})


@dataclass(frozen=True, slots=True)
class CustomRoles:
    """The roles that tenants make: the `types` they can give actions on, and the ID of the rule they decide by.

    Who grants one must hold one of the roles `granted_by` on the tenant, unless this is empty.
    """

    rule: str
    types: frozenset[str]
    granted_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Schema:
    """All that pack.yaml declares; `operations` maps operations to the (type, action) that a member needs for them."""

    name: str
    description: str
    settings: Mapping[str, Property]
    member: Mapping[str, Property]
    context: Mapping[str, Property]
    roles: Mapping[str, Role]
    custom_roles: CustomRoles | None
    one_role_per_member: bool
    resources: Mapping[str, ResourceType]
    rules: Mapping[str, Rule]
    custom_matcher: bool = False
    operations: Mapping[Operation, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def founder(self) -> str:
        """The role of a tenant's first member: the role that exactly one member holds, else the first declared one."""
        names = self.on_tenant
        return next((name for name in names if self.roles[name].count is Count.EXACTLY_ONE), names[0] if names else "")

    @property
    def on_tenant(self) -> tuple[str, ...]:
        """The built-in roles that can be granted on the tenant, in their order."""
        roles = (role for role in self.roles.values() if TENANT in role.on and role.held_by is HeldBy.GRANT)
        return tuple(role.name for role in roles)

    @property
    def parents(self) -> frozenset[str]:
        """The types that are parents of others."""
        return frozenset(parent for type_ in self.resources.values() for parent in type_.parents)

    @property
    def core_scopes(self) -> frozenset[str]:
        """The scope types whose grants are always in memory: all but registered types that are no parents."""
        parents = self.parents
        scopes = {scope for role in self.roles.values() for scope in role.on} | {TENANT}
        return frozenset(
            scope
            for scope in scopes
            if scope == TENANT
            or scope in parents
            or scope not in self.resources
            or self.resources[scope].instances is not InstanceOf.RESOURCES
        )

    def scopes_of(self, type_: str) -> frozenset[str]:
        """Return the scope types of a resource of this type: the tenant, the type itself and all its ancestors."""
        found = {TENANT, type_}
        waiting = [type_]
        while waiting:
            above = self.resources.get(waiting.pop())
            new = above.parents - found if above else frozenset()
            found |= new
            waiting.extend(new)
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Pack:
    """A loaded pack: its schema, its Casbin model and rows, and the SHA-256 over its files.

    `lines` are the line numbers of the rows in policy.csv.
    """

    schema: Schema
    model_text: str
    rows: tuple[Row, ...]
    digest: str
    directory: str
    lines: tuple[int, ...] = ()
