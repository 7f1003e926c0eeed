"""Which calls compete with which: a class for every method."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class CallClass(StrEnum):
    """Calls that cost alike and share one capacity."""

    CHECK = "check"
    BATCH = "batch"
    LIST = "list"
    READ = "read"
    WRITE = "write"
    BULK = "bulk"
    STREAM = "stream"


_METHODS: Final[Mapping[CallClass, Mapping[str, str]]] = {
    CallClass.CHECK: {"AuthorizationService": "Check"},
    CallClass.BATCH: {"AuthorizationService": "BatchCheck"},
    CallClass.LIST: {"AuthorizationService": "ListResources ListSubjects ListActions"},
    CallClass.READ: {
        "HistoryService": "ListChanges",
        "MembershipService": "GetMember ListMembers",
        "ResourceService": "GetResource ListRegisteredResources CountResources ListRelations",
        "QuotaService": "ListQuotaUsage",
        "RoleService": "GetRole ListRoles ListGrants",
        "GroupService": "GetGroup ListGroups",
        "TenantService": "GetTenant ListTenants",
    },
    CallClass.WRITE: {
        "MembershipService": (
            "AcceptInvitation ResendInvitation CancelInvitation UpdateMember RecordAccess DeactivateMember "
            "ActivateMember DeleteMember"
        ),
        "ResourceService": "RegisterResource CloneResource UpdateResource DeleteResource HandOver",
        "QuotaService": "SetQuota AllocateQuota ConsumeQuota ReleaseQuota",
        "RoleService": (
            "CreateRole GrantPermissions RevokePermissions RenameRole DeleteRole CopyRole GrantRole RevokeRole "
            "DelegateRole"
        ),
        "GroupService": "CreateGroup RenameGroup AddGroupMembers RemoveGroupMembers DeleteGroup",
        "TenantService": "CreateTenant UpdateTenant SuspendTenant ResumeTenant DeleteTenant",
    },
    # Each may read or write a whole tenant, or thousands of rows.
    CallClass.BULK: {"FactsService": "ApplyFacts ImportFacts ExportFacts", "MembershipService": "InviteMembers"},
    CallClass.STREAM: {"HistoryService": "WatchChanges"},
}

CLASSES: Final[Mapping[str, CallClass]] = {
    f"{service}/{method}": call_class
    for call_class, services in _METHODS.items()
    for service, methods in services.items()
    for method in methods.split()
}
"""The class of each method, by the names of its service and its own, such as `AuthorizationService/Check`."""
