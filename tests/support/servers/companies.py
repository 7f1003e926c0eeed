"""A running sidecar as applications see it: the services of the membership and the Check, in a tenant of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import grpc

from sidegate.authz.v1 import authorization_pb2 as authz
from sidegate.authz.v1 import facts_pb2 as facts
from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.authz.v1 import resource_pb2 as resources
from sidegate.authz.v1 import role_pb2 as roles
from sidegate.authz.v1 import tenant_pb2 as tenants
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.authz.v1.membership_pb2_grpc import MembershipServiceStub
from sidegate.authz.v1.resource_pb2_grpc import QuotaServiceStub, ResourceServiceStub
from sidegate.authz.v1.role_pb2_grpc import GroupServiceStub, RoleServiceStub
from sidegate.authz.v1.tenant_pb2_grpc import TenantServiceStub
from support.servers.sidecar import Failure, failure

_NUMBERS = count(1)
PENDING, ACTIVE, INACTIVE = pb.MEMBER_STATE_PENDING, pb.MEMBER_STATE_ACTIVE, pb.MEMBER_STATE_INACTIVE


@dataclass(frozen=True)
class Company:
    """A tenant on a running sidecar, and short ways to call about it."""

    channel: grpc.aio.Channel
    tenant: str
    founder: str

    @property
    def parent(self) -> str:
        return f"tenants/{self.tenant}"

    @property
    def members(self) -> MembershipServiceStub:
        return MembershipServiceStub(self.channel)

    @property
    def tenants(self) -> TenantServiceStub:
        return TenantServiceStub(self.channel)

    @property
    def roles(self) -> RoleServiceStub:
        return RoleServiceStub(self.channel)

    @property
    def resources(self) -> ResourceServiceStub:
        return ResourceServiceStub(self.channel)

    @property
    def quotas(self) -> QuotaServiceStub:
        return QuotaServiceStub(self.channel)

    @property
    def groups(self) -> GroupServiceStub:
        return GroupServiceStub(self.channel)

    def name(self, member: str) -> str:
        return f"{self.parent}/members/{member}"

    def role(self, role: str) -> str:
        return f"{self.parent}/roles/{role}"

    def group(self, group: str) -> str:
        return f"{self.parent}/groups/{group}"

    def resource(self, reference: str) -> str:
        return f"{self.parent}/resources/{reference}"

    async def register(self, reference: str, *parents: str, **request: Any) -> resources.RegisteredResource:
        resource = resources.RegisteredResource(name=self.resource(reference), parents=parents)
        answer = await self.resources.RegisterResource(resources.RegisterResourceRequest(resource=resource, **request))
        return answer.resource

    async def hand_over(self, former: str, to: str, **request: Any) -> int:
        """Hand over; return on how many resources something moved."""
        answer = await self.resources.HandOver(
            resources.HandOverRequest(parent=self.parent, to=to, **{"from": former}, **request)
        )
        return answer.resources

    async def consume(self, member: str, amount: int = 1, **request: Any) -> int:
        """Take from a member's quota; return what is left."""
        answer = await self.quotas.ConsumeQuota(
            resources.ConsumeQuotaRequest(name=self.name(member), amount=amount, **request)
        )
        return answer.quota

    async def make_role(self, role: str, *permissions: str, **request: Any) -> roles.Role:
        answer = await self.roles.CreateRole(
            roles.CreateRoleRequest(parent=self.parent, role_id=role, permissions=permissions, **request)
        )
        return answer.role

    async def make_group(self, group: str, *members: str, **request: Any) -> roles.Group:
        answer = await self.groups.CreateGroup(
            roles.CreateGroupRequest(parent=self.parent, group_id=group, members=members, **request)
        )
        return answer.group

    async def grant(self, role: str, holder: str, on: str = "tenant", **request: Any) -> str:
        """Grant a role; return the revision."""
        grant = roles.Grant(role=role, scope=on, holder=holder)
        made = await self.roles.GrantRole(roles.GrantRoleRequest(parent=self.parent, grant=grant, **request))
        return made.revision

    async def revoke(self, role: str, holder: str, on: str = "tenant", **request: Any) -> str:
        """Revoke a role; return the revision."""
        grant = roles.Grant(role=role, scope=on, holder=holder)
        answer = await self.roles.RevokeRole(roles.RevokeRoleRequest(parent=self.parent, grant=grant, **request))
        return answer.revision

    async def delegate(self, to: str, **request: Any) -> roles.DelegateRoleResponse:
        return await self.roles.DelegateRole(roles.DelegateRoleRequest(parent=self.parent, to=to, **request))

    async def holders(self, role: str) -> list[str]:
        """Return who holds a role on the tenant."""
        answer = await self.roles.ListGrants(roles.ListGrantsRequest(parent=self.parent, role=role))
        return [grant.holder for grant in answer.grants]

    async def invite(self, *addresses: str, **request: Any) -> pb.InviteMembersResponse:
        return await self.members.InviteMembers(
            pb.InviteMembersRequest(parent=self.parent, addresses=";".join(addresses), **request)
        )

    async def join(self, member: str, **request: Any) -> pb.Member:
        """Invite somebody, who accepts; return the active member."""
        answer = await self.invite(member, **request)
        return await self.accept(answer.results[0].member.invitation.token, signed_in_account=member)

    async def accept(self, token: str, **request: Any) -> pb.Member:
        request = request or {"registration": pb.Registration()}
        accepted = await self.members.AcceptInvitation(
            pb.AcceptInvitationRequest(parent=self.parent, token=token, **request)
        )
        return accepted.member

    async def get(self, member: str) -> pb.Member:
        return (await self.members.GetMember(pb.GetMemberRequest(name=self.name(member)))).member

    async def list(self, **query: Any) -> list[str]:
        """Return the IDs of all members that a query finds."""
        found: list[str] = []
        token = ""
        while True:
            request = pb.ListMembersRequest(parent=self.parent, page_token=token, **query)
            page = await self.members.ListMembers(request)
            found += [member.name.rpartition("/")[2] for member in page.members]
            token = page.next_page_token
            if not token:
                return found

    async def delete(self, member: str, **request: Any) -> pb.DeleteMemberResponse:
        """Delete a member in its two calls."""
        first = await self.members.DeleteMember(pb.DeleteMemberRequest(name=self.name(member), **request))
        return await self.members.DeleteMember(
            pb.DeleteMemberRequest(name=self.name(member), confirmation_token=first.confirmation_token, **request)
        )

    async def suspend(self, **request: Any) -> str:
        """Suspend the tenant; return the revision."""
        return (await self.tenants.SuspendTenant(tenants.SuspendTenantRequest(name=self.parent, **request))).revision

    async def resume(self, **request: Any) -> str:
        """Resume the tenant; return the revision."""
        return (await self.tenants.ResumeTenant(tenants.ResumeTenantRequest(name=self.parent, **request))).revision

    async def end(self, token: str = "", **request: Any) -> tenants.DeleteTenantResponse:
        """Ask for the deletion of the tenant, or confirm it by the token of the first call."""
        return await self.tenants.DeleteTenant(
            tenants.DeleteTenantRequest(name=self.parent, confirmation_token=token, **request)
        )

    async def check(self, subject: str, action: str, resource: str, *, revision: str = "") -> tuple[bool, str]:
        """Ask whether a member may; return the answer with its reason."""
        type_, _, id_ = resource.partition(":")
        request = authz.CheckRequest(
            tenant=self.tenant,
            subject=authz.Subject(id=subject),
            action=action,
            resource=authz.Resource(type=type_, id=id_ or "*"),
        )
        if revision:
            request.consistency.at_least_as_fresh = revision
        answer = await AuthorizationServiceStub(self.channel).Check(request)
        return answer.decision == authz.DECISION_ALLOW, answer.reason

    async def apply(self, text: str) -> None:
        """Apply a facts document about this tenant, whose ID is written in it as TENANT."""
        document = text.replace("TENANT", self.tenant)
        await FactsServiceStub(self.channel).ApplyFacts(facts.ApplyFactsRequest(document=document))

    async def export(self) -> str:
        """Return the facts as a document, with TENANT in the place of the tenant's ID."""
        answer = await FactsServiceStub(self.channel).ExportFacts(facts.ExportFactsRequest(tenants=[self.tenant]))
        return answer.document.replace(self.tenant, "TENANT")


async def create(channel: grpc.aio.Channel, pack: str = "", *, founder: str = "ann", **settings: Any) -> Company:
    """Make a tenant whose first member is its founder."""
    company = Company(channel, f"t{next(_NUMBERS)}", founder)
    tenant = tenants.Tenant(pack=pack)
    tenant.settings.update(settings)
    await company.tenants.CreateTenant(
        tenants.CreateTenantRequest(
            tenant_id=company.tenant,
            tenant=tenant,
            founder=tenants.Founder(member_id=founder, email="ann@acme.example"),
        )
    )
    return company


@asynccontextmanager
async def founding(address: str) -> AsyncIterator[Callable[..., Any]]:
    """Open a channel to a sidecar, and yield what makes companies on it."""
    async with grpc.aio.insecure_channel(address) as channel:

        async def found(pack: str = "", **settings: Any) -> Company:
            return await create(channel, pack, **settings)

        yield found


async def refused(call: Any, reason: str) -> Failure:
    """Await a call that must be refused for a reason, and return what the client learns."""
    refusal = await failure(call)
    assert refusal.info.reason == reason, refusal
    return refusal
