"""The small companies that histories are about, and the switches in them that writers turn on and off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import Message

from sidegate.authz.v1 import membership_pb2 as members
from sidegate.authz.v1 import resource_pb2 as resources
from sidegate.authz.v1 import role_pb2 as roles
from sidegate.authz.v1.membership_pb2_grpc import MembershipServiceStub
from sidegate.authz.v1.resource_pb2_grpc import ResourceServiceStub
from sidegate.authz.v1.role_pb2_grpc import GroupServiceStub, RoleServiceStub
from support.histories.record import Effect, Listing, Part, Question
from support.histories.truth import Rules

Call: TypeAlias = tuple[type[Any], str, Message]
"""An RPC: its service's stub, its name, and the request."""

TENANTS = ("acme", "bolt", "coil")
MEMBERS = ("bob", "cid", "dan", "eve", "fay")
FACTS = """\
tenants:
  {tenant}:
    pack: standard
    members:
      ann: {{roles: [owner]}}
      bob: {{roles: [member]}}
      cid: {{roles: [member]}}
      dan: {{roles: [member]}}
      eve: {{roles: [member]}}
      fay: {{roles: [member]}}
    groups:
      legal: {{members: [cid]}}
    roles:
      Commenter: {{permissions: {{document: [comment]}}}}
    resources:
      document:d1: {{owner: ann}}
      document:d2: {{owner: ann}}
      document:d3: {{owner: ann}}
    grants:
      - {{role: Commenter, on: tenant, to: member:eve}}
      - {{role: viewer, on: document:d2, to: group:legal}}
      - {{role: viewer, on: document:d1, to: member:fay}}
"""
OWNER = Question("ann", "view", "document:d1")
"""A question that no switch decides; each of its lists has an ID."""
ON_DOCUMENTS = ("view", "edit", "comment", "sign", "share", "delete", "download_pdf", "download_csv")
ON_MEMBERS = ("invite", "list", "view", "update", "assign_role", "activate", "deactivate", "remove")
STANDARD = Rules(
    on_tenant={
        "owner": frozenset({*(f"document:{it}" for it in ON_DOCUMENTS), *(f"member:{it}" for it in ON_MEMBERS)}),
        "admin": frozenset(f"member:{it}" for it in ON_MEMBERS),
        "member": frozenset(),
    },
    on_resource={
        "owner": frozenset({"document:view", "document:edit", "document:delete", "document:share"}),
        "viewer": frozenset({"document:view"}),
    },
)
"""What the pack `standard` says of documents and members; to send a document takes quota, which nobody has."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A write that turns a switch, and what it brings about."""

    call: Call
    effect: Effect


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that is so or not, and the question whose answer hangs on it."""

    question: Question
    on: Turn
    off: Turn


def switches(tenant: str) -> Sequence[Switch]:
    """Return what can be turned in a tenant: grants, memberships, states, permissions, and things themselves."""
    return (
        _granted(tenant, "viewer", "member:bob", "document:d1", Question("bob", "view", "document:d1")),
        _granted(tenant, "viewer", "member:bob", "document:d2", Question("bob", "view", "document:d2")),
        _granted(tenant, "viewer", "group:legal", "document:d1", Question("cid", "view", "document:d1")),
        _granted(tenant, "admin", "member:bob", "tenant", Question("bob", "invite", "member:*")),
        _granted(tenant, "Commenter", "member:dan", "tenant", Question("dan", "comment", "document:d2")),
        _in_group(tenant, "legal", "dan", Question("dan", "view", "document:d2")),
        _active(tenant, "fay", Question("fay", "view", "document:d1")),
        _active(tenant, "eve", Question("eve", "comment", "document:d1")),
        _permitted(tenant, "Commenter", "document", "comment", Question("eve", "comment", "document:d1")),
        _registered(tenant, "document:d3", "eve", Question("eve", "view", "document:d3")),
    )


def questions(tenant: str) -> Sequence[Question | Listing]:
    """Return what all sidecars are to agree about: the question of each switch, and lists of each kind."""
    checks = dict.fromkeys(switch.question for switch in switches(tenant))
    return *checks, *(Listing.of(OWNER, part) for part in Part)


def _granted(tenant: str, role: str, holder: str, on: str, question: Question) -> Switch:
    grant = roles.Grant(role=role, scope=on, holder=holder)
    entry = "grant", (role, f"tenant:{tenant}" if on == "tenant" else on, holder)
    parent = f"tenants/{tenant}"
    return Switch(
        question,
        Turn((RoleServiceStub, "GrantRole", roles.GrantRoleRequest(parent=parent, grant=grant)), Effect(entry, {})),
        Turn((RoleServiceStub, "RevokeRole", roles.RevokeRoleRequest(parent=parent, grant=grant)), Effect(entry, None)),
    )


def _in_group(tenant: str, group: str, member: str, question: Question) -> Switch:
    asked = {"name": f"tenants/{tenant}/groups/{group}", "members": [f"member:{member}"]}
    entry = "group_member", (group, f"member:{member}")
    return Switch(
        question,
        Turn((GroupServiceStub, "AddGroupMembers", roles.AddGroupMembersRequest(**asked)), Effect(entry, {})),
        Turn((GroupServiceStub, "RemoveGroupMembers", roles.RemoveGroupMembersRequest(**asked)), Effect(entry, None)),
    )


def _active(tenant: str, member: str, question: Question) -> Switch:
    name, entry = f"tenants/{tenant}/members/{member}", ("member", (member,))
    leave = members.DeactivateMemberRequest(name=name, held_documents=members.HELD_DOCUMENTS_KEEP)
    come = members.ActivateMemberRequest(name=name)
    return Switch(
        question,
        Turn((MembershipServiceStub, "ActivateMember", come), Effect(entry, {"status": "active"})),
        Turn((MembershipServiceStub, "DeactivateMember", leave), Effect(entry, {"status": "inactive"})),
    )


def _permitted(tenant: str, role: str, type_: str, action: str, question: Question) -> Switch:
    asked = {"name": f"tenants/{tenant}/roles/{role}", "permissions": [f"{type_}:{action}"]}
    entry = "role", (role,)
    return Switch(
        question,
        Turn(
            (RoleServiceStub, "GrantPermissions", roles.GrantPermissionsRequest(**asked)),
            Effect(entry, {"permissions": {type_: [action]}}),
        ),
        Turn(
            (RoleServiceStub, "RevokePermissions", roles.RevokePermissionsRequest(**asked)),
            Effect(entry, {"permissions": {}}),
        ),
    )


def _registered(tenant: str, reference: str, owner: str, question: Question) -> Switch:
    """Return a switch for a document that is deleted, and comes back with another owner under the same ID."""
    name, entry = f"tenants/{tenant}/resources/{reference}", ("resource", (reference,))
    make = resources.RegisterResourceRequest(resource=resources.RegisteredResource(name=name), owner=owner)
    return Switch(
        question,
        Turn((ResourceServiceStub, "RegisterResource", make), Effect(entry, {})),
        Turn((ResourceServiceStub, "DeleteResource", resources.DeleteResourceRequest(name=name)), Effect(entry, None)),
    )
