"""Errors of write RPCs name fields of their requests, whichever service they belong to."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from sidegate.authz.v1 import membership_pb2, resource_pb2, role_pb2, tenant_pb2
from support.servers.companies import Company, refused

STANDARD = """\
tenants:
  TENANT:
    pack: standard
    members:
      ann: {roles: [owner], email: ann@acme.example}
      uma: {roles: [member]}
      joe: {roles: [member]}
    groups:
      sales: {members: [uma]}
    roles:
      editors: {permissions: {document: [view]}}
    resources:
      template:nda: {owner: ann}
      template:offer: {owner: ann}
      document:d1: {parents: [template:nda], owner: uma}
"""
WRONG_PERMISSIONS = ["document:view", "document:veiw", "documnt:view"]


pytestmark = pytest.mark.company("standard", STANDARD)
"""A company on the standard pack, with one of each."""


def names_field(descriptor: Descriptor, path: str) -> bool:
    """Return whether a path such as `grant.holder` or `members[0]` leads to a field of a message."""
    name, _, rest = path.partition(".")
    field = descriptor.fields_by_name.get(re.sub(r"\[\d+\]$", "", name))
    if field is None or name.endswith("]") is not field.is_repeated:
        return field is not None and not rest
    if not rest or field.message_type is None:
        return not rest
    return field.message_type.full_name == "google.protobuf.Struct" or names_field(field.message_type, rest)


async def violations(call: Awaitable[Message], request: Message) -> dict[str, str]:
    """Return the violations of a refused request by field; each must name a field of the request."""
    found = (await refused(call, "INVALID_INPUT")).violations
    assert [path for path in found if not names_field(request.DESCRIPTOR, path)] == []
    assert "add `" not in str(found), "these are the words of a facts file"
    return dict(found)


@pytest.mark.parametrize(
    ("role", "scope", "holder", "expected"),
    [
        ("member", "tenant", "member:mia", {"grant.holder": "`member:mia` is not there: expected an existing member"}),
        ("admin", "tenant", "group:mia", {"grant.holder": "`group:mia` is not there: expected an existing group"}),
        (
            "template_user",
            "template:none",
            "member:joe",
            {"grant.scope": "`template:none` is not there: expected a registered resource"},
        ),
        (
            "template_user",
            "document:d1",
            "member:joe",
            {"grant.scope": "role `template_user` can't be held on `document:d1`: expected `template:…`"},
        ),
        (
            "template_usr",
            "template:nda",
            "member:joe",
            {"grant.role": "unknown role `template_usr` of pack `standard`: did you mean `template_user`?"},
        ),
        (
            "owner",
            "template:nda",
            "member:joe",
            {
                "grant.holder": "role `owner` on `template:nda` is held by `member:ann` already: "
                "expected exactly one holder"
            },
        ),
    ],
)
async def test_a_grant(company: Company, role: str, scope: str, holder: str, expected: dict[str, str]) -> None:
    """GrantRole names role, scope and holder."""
    grant = role_pb2.Grant(role=role, scope=scope, holder=holder)
    request = role_pb2.GrantRoleRequest(parent=company.parent, grant=grant)
    assert await violations(company.roles.GrantRole(request), request) == expected


async def test_permissions(company: Company) -> None:
    """CreateRole and GrantPermissions name the position of each wrong permission."""
    expected = {
        "permissions[1]": "unknown action `veiw` of `document`: did you mean `view`?",
        "permissions[2]": "unknown resource type `documnt`: did you mean `document`?",
    }
    create = role_pb2.CreateRoleRequest(parent=company.parent, role_id="new", permissions=WRONG_PERMISSIONS)
    assert await violations(company.roles.CreateRole(create), create) == expected
    grant = role_pb2.GrantPermissionsRequest(name=company.role("editors"), permissions=WRONG_PERMISSIONS)
    assert await violations(company.roles.GrantPermissions(grant), grant) == expected
    only_permission = role_pb2.GrantPermissionsRequest(name=company.role("editors"), permissions=["company:view"])
    assert [*await violations(company.roles.GrantPermissions(only_permission), only_permission)] == ["permissions[0]"]


async def test_a_role_where_the_pack_allows_none(found: Callable[..., Awaitable[Company]]) -> None:
    """CreateRole names the role's ID where the whole role is refused."""
    company = await found("eformsign")
    request = role_pb2.CreateRoleRequest(parent=company.parent, role_id="new")
    found_here = await violations(company.roles.CreateRole(request), request)
    assert [*found_here] == ["role_id"]
    assert found_here["role_id"].startswith("pack `eformsign` allows no custom roles: use its built-in roles, ")


async def test_group_members(company: Company) -> None:
    """CreateGroup and AddGroupMembers name the position of each absent member, also after a repeated one."""
    members = ["member:uma", "member:uma", "member:mia"]
    create = role_pb2.CreateGroupRequest(parent=company.parent, group_id="new", members=members)
    assert [*await violations(company.groups.CreateGroup(create), create)] == ["members[2]"]
    add = role_pb2.AddGroupMembersRequest(name=company.group("sales"), members=members)
    assert [*await violations(company.groups.AddGroupMembers(add), add)] == ["members[2]"]


async def test_invitees(company: Company) -> None:
    """InviteMembers names the row and the part of it."""
    invitees = [
        membership_pb2.Invitee(account="zoe"),
        membership_pb2.Invitee(account="zac", roles=["membr"]),
        membership_pb2.Invitee(account="zed", groups=["salse"]),
        membership_pb2.Invitee(email="nobody"),
    ]
    request = membership_pb2.InviteMembersRequest(parent=company.parent, invitees=invitees)
    found = await violations(company.members.InviteMembers(request), request)
    assert set(found) == {"invitees[1].roles", "invitees[2].groups", "invitees[3].email"}


async def test_an_invitee_with_two_roles(found: Callable[..., Awaitable[Company]]) -> None:
    """InviteMembers names the roles of a row that gives two where the pack lets a member hold one."""
    company = await found("mekari-sign")
    request = membership_pb2.InviteMembersRequest(
        parent=company.parent, invitees=[membership_pb2.Invitee(account="zoe", roles=["admin", "member"])]
    )
    assert [*await violations(company.members.InviteMembers(request), request)] == ["invitees[0].roles"]


async def test_a_member(company: Company) -> None:
    """UpdateMember names fields of the member, and DeactivateMember who takes the documents."""
    member = membership_pb2.Member(name=company.name("uma"), email="nobody", phone="1")
    update = membership_pb2.UpdateMemberRequest(member=member, update_mask=FieldMask(paths=["email", "phone"]))
    assert set(await violations(company.members.UpdateMember(update), update)) == {"member.email", "member.phone"}
    leave = membership_pb2.DeactivateMemberRequest(
        name=company.name("uma"), held_documents=membership_pb2.HELD_DOCUMENTS_TRANSFER, transfer_to="mia"
    )
    assert [*await violations(company.members.DeactivateMember(leave), leave)] == ["transfer_to"]


async def test_registration(company: Company) -> None:
    """AcceptInvitation names fields of the registration."""
    token = (await company.invite("zoe")).results[0].member.invitation.token
    request = membership_pb2.AcceptInvitationRequest(
        parent=company.parent, token=token, registration=membership_pb2.Registration(email="nobody", phone="1")
    )
    found = await violations(company.members.AcceptInvitation(request), request)
    assert set(found) == {"registration.email", "registration.phone"}


async def test_a_registered_resource(company: Company) -> None:
    """RegisterResource and UpdateResource name each parent by its position, each property, and the owner."""
    parents = ["template:nda", "template:nda", "template:offer", "template:none", "member:uma"]
    resource = resource_pb2.RegisteredResource(name=company.resource("document:d2"), parents=parents)
    resource.properties.update({"colour": "red"})
    register = resource_pb2.RegisterResourceRequest(resource=resource, owner="mia")
    found = await violations(company.resources.RegisterResource(register), register)
    assert set(found) == {
        "resource.parents[2]",
        "resource.parents[3]",
        "resource.parents[4]",
        "resource.properties.colour",
        "owner",
    }
    assert found["owner"].startswith("`member:mia` is not there: ")

    resource.name = company.resource("document:d1")
    mask = FieldMask(paths=["parents", "properties.colour"])
    update = resource_pb2.UpdateResourceRequest(resource=resource, update_mask=mask)
    assert set(await violations(company.resources.UpdateResource(update), update)) == set(found) - {"owner"}


async def test_the_name_of_a_resource(company: Company) -> None:
    """A type that can't be registered is named by the field that holds the resource's name."""
    resource = resource_pb2.RegisteredResource(name=company.resource("documnt:d2"))
    register = resource_pb2.RegisterResourceRequest(resource=resource)
    assert [*await violations(company.resources.RegisterResource(register), register)] == ["resource.name"]
    mask = FieldMask(paths=["parents"])
    update = resource_pb2.UpdateResourceRequest(resource=resource, update_mask=mask)
    assert [*await violations(company.resources.UpdateResource(update), update)] == ["resource.name"]
    delete = resource_pb2.DeleteResourceRequest(name=resource.name)
    assert [*await violations(company.resources.DeleteResource(delete), delete)] == ["name"]
    clone = resource_pb2.CloneResourceRequest(name=company.resource("template:nda"), clone_id="copy", owner="mia")
    assert await violations(company.resources.CloneResource(clone), clone) == {
        "owner": "`member:mia` is not there: expected an existing member"
    }


async def test_a_hand_over(company: Company) -> None:
    """HandOver names who takes over, and resources that are not the giver's."""
    request = resource_pb2.HandOverRequest(parent=company.parent, to="uma", **{"from": "uma"})
    assert [*await violations(company.resources.HandOver(request), request)] == ["to"]
    request = resource_pb2.HandOverRequest(
        parent=company.parent, to="joe", resources=["template:nda"], **{"from": "uma"}
    )
    assert [*await violations(company.resources.HandOver(request), request)] == ["resources"]


async def test_quota(company: Company) -> None:
    """The RPCs of quota name their amounts."""
    name = company.name("uma")
    calls = [
        (company.quotas.SetQuota, resource_pb2.SetQuotaRequest(name=name, quota=-1), "quota"),
        (company.quotas.AllocateQuota, resource_pb2.AllocateQuotaRequest(parent=company.parent, total=-1), "total"),
        (company.quotas.ConsumeQuota, resource_pb2.ConsumeQuotaRequest(name=name, amount=-1), "amount"),
        (company.quotas.ReleaseQuota, resource_pb2.ReleaseQuotaRequest(name=name, amount=-1), "amount"),
    ]
    for call, request, field in calls:
        assert [*await violations(call(request), request)] == [field]


async def test_a_tenant(company: Company) -> None:
    """CreateTenant and UpdateTenant name the pack, each setting, and fields of the founder."""
    tenant = tenant_pb2.Tenant(pack="standard")
    tenant.settings.update({"seatz": 4, "require_mfa": "yes"})
    create = tenant_pb2.CreateTenantRequest(
        tenant_id="other-tenant", tenant=tenant, founder=tenant_pb2.Founder(member_id="ann")
    )
    settings = {"tenant.settings.seatz", "tenant.settings.require_mfa"}
    assert set(await violations(company.tenants.CreateTenant(create), create)) == settings
    create.tenant.pack = "standart"
    assert [*await violations(company.tenants.CreateTenant(create), create)] == ["tenant.pack"]

    tenant.name = company.parent
    for mask in (["settings"], ["settings.seatz", "settings.require_mfa"]):
        update = tenant_pb2.UpdateTenantRequest(tenant=tenant, update_mask=FieldMask(paths=mask))
        assert set(await violations(company.tenants.UpdateTenant(update), update)) == settings


async def test_delegation(company: Company) -> None:
    """DelegateRole names a role that can't be delegated."""
    request = role_pb2.DelegateRoleRequest(parent=company.parent, role="member", to="uma")
    assert [*await violations(company.roles.DelegateRole(request), request)] == ["role"]
