"""Which right each method needs, for which tenants, and for whom it acts: one table for every transport.

A method that is not in the table is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from sidegate.membership.command.call import PLATFORM
from sidegate.model.callers.caller import Right
from sidegate.model.reference import ref
from sidegate.server.wire.names import MEMBERS, ids_of, tenant_in
from sidegate.server.wire.watch import EVERY_TENANT

Tenants: TypeAlias = Callable[[Any], Sequence[str] | None]
"""Returns the IDs of the tenants that a request concerns; None means all tenants."""
Actors: TypeAlias = Callable[[Any], Sequence[str]]
"""Returns the actors that a request may have; the caller must be allowed to act for one of them, if there are any."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a method asks of its caller."""

    right: Right
    tenants: Tenants
    actors: Actors | None = None


def _named(path: str) -> Tenants:
    """Return the tenant of a field that holds a name, such as `tenants/acme/members/uma`."""
    read = attrgetter(path)
    return lambda message: (tenant_in(read(message), path),)


def _id(path: str) -> Tenants:
    """Return the tenant of a field that holds its ID."""
    read = attrgetter(path)
    return lambda message: (read(message),)


def _all(_message: Any) -> None:
    """Return all tenants."""


def _of_checks(message: Any) -> Sequence[str]:
    return [check.tenant for check in message.checks]


def _exported(message: Any) -> Sequence[str] | None:
    return [*message.tenants] or None


def _in_document(_message: Any) -> Sequence[str]:
    """Return none: the tenants are in the document, and checked when it has been read."""
    return ()


def _copied(message: Any) -> Sequence[str]:
    targets = (tenant_in(name, f"targets[{position}]") for position, name in enumerate(message.targets))
    return [tenant_in(message.name, "name"), *targets]


def _watched(message: Any) -> Sequence[str] | None:
    return None if message.parent in EVERY_TENANT else (tenant_in(message.parent, "parent"),)


def _actor(message: Any) -> Sequence[str]:
    return (message.actor or PLATFORM,)


def _importer(message: Any) -> Sequence[str]:
    return (message.options.actor or PLATFORM,)


def _requester(message: Any) -> Sequence[str]:
    return (message.requester or PLATFORM,)


def _platform_or_member(message: Any) -> Sequence[str]:
    """Return who may record that a member was seen: the platform, or the member itself."""
    return PLATFORM, ref("member", ids_of(message.name, MEMBERS, "name", stored=True)[1])


def _checks(right: Right, *methods: str) -> dict[str, Requirement]:
    return {f"AuthorizationService/{method}": Requirement(right, _id("tenant")) for method in methods}


def _methods(service: str, right: Right, path: str, *methods: str) -> dict[str, Requirement]:
    """Return methods that have an actor, and whose tenant is in the name at `path`."""
    return {f"{service}/{method}": Requirement(right, _named(path), _actor) for method in methods}


_READ, _WRITE = Right.MEMBERSHIP_READ, Right.MEMBERSHIP_WRITE
_TABLE: Final[dict[str, Requirement]] = {
    **_checks(Right.CHECK, "Check"),
    "AuthorizationService/BatchCheck": Requirement(Right.CHECK, _of_checks),
    **_checks(Right.LIST, "ListResources", "ListSubjects", "ListActions"),
    "FactsService/ApplyFacts": Requirement(Right.FACTS_BULK, _in_document, _actor),
    "FactsService/ImportFacts": Requirement(Right.FACTS_BULK, _in_document, _importer),
    "FactsService/ExportFacts": Requirement(Right.FACTS_BULK, _exported),
    "HistoryService/ListChanges": Requirement(_READ, _named("parent"), _requester),
    "HistoryService/WatchChanges": Requirement(Right.EVENTS_WATCH, _watched),
    "TenantService/CreateTenant": Requirement(_WRITE, _id("tenant_id"), _actor),
    "TenantService/ListTenants": Requirement(_READ, _all, _actor),
    **_methods("TenantService", _READ, "name", "GetTenant"),
    **_methods("TenantService", _WRITE, "tenant.name", "UpdateTenant"),
    **_methods("TenantService", _WRITE, "name", "SuspendTenant", "ResumeTenant", "DeleteTenant"),
    **_methods("MembershipService", _WRITE, "parent", "InviteMembers"),
    # The token of the invitation proves who accepts it.
    "MembershipService/AcceptInvitation": Requirement(_WRITE, _named("parent")),
    "MembershipService/RecordAccess": Requirement(_WRITE, _named("name"), _platform_or_member),
    **_methods("MembershipService", _READ, "name", "GetMember"),
    **_methods("MembershipService", _READ, "parent", "ListMembers"),
    **_methods("MembershipService", _WRITE, "member.name", "UpdateMember"),
    **_methods("MembershipService", _WRITE, "name", "ResendInvitation", "CancelInvitation"),
    **_methods("MembershipService", _WRITE, "name", "DeactivateMember", "ActivateMember", "DeleteMember"),
    **_methods("RoleService", _READ, "name", "GetRole"),
    **_methods("RoleService", _READ, "parent", "ListRoles", "ListGrants"),
    **_methods("RoleService", _WRITE, "parent", "CreateRole", "GrantRole", "RevokeRole", "DelegateRole"),
    **_methods("RoleService", _WRITE, "name", "GrantPermissions", "RevokePermissions", "RenameRole", "DeleteRole"),
    "RoleService/CopyRole": Requirement(_WRITE, _copied, _actor),
    **_methods("GroupService", _READ, "name", "GetGroup"),
    **_methods("GroupService", _READ, "parent", "ListGroups"),
    **_methods("GroupService", _WRITE, "parent", "CreateGroup"),
    **_methods("GroupService", _WRITE, "name", "RenameGroup", "AddGroupMembers", "RemoveGroupMembers", "DeleteGroup"),
    **_methods("ResourceService", _READ, "name", "GetResource", "CountResources", "ListRelations"),
    **_methods("ResourceService", _READ, "parent", "ListRegisteredResources"),
    **_methods("ResourceService", _WRITE, "resource.name", "RegisterResource", "UpdateResource"),
    **_methods("ResourceService", _WRITE, "name", "CloneResource", "DeleteResource"),
    **_methods("ResourceService", _WRITE, "parent", "HandOver"),
    **_methods("QuotaService", _READ, "parent", "ListQuotaUsage"),
    **_methods("QuotaService", _WRITE, "parent", "AllocateQuota"),
    **_methods("QuotaService", _WRITE, "name", "SetQuota", "ConsumeQuota", "ReleaseQuota"),
}
PACKAGE: Final = "sidegate.authz.v1"
REQUIREMENTS: Final[Mapping[str, Requirement]] = MappingProxyType(
    {f"{PACKAGE}.{method}": requirement for method, requirement in _TABLE.items()}
)
"""The requirement of each method by its full name, such as `sidegate.authz.v1.AuthorizationService/Check`."""
