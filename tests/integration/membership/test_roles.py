"""Roles that tenants make, over gRPC: created, changed, copied, and effective without a restart."""

import grpc
import pytest

from sidegate.authz.v1 import role_pb2 as pb
from support.servers.companies import Company, refused


async def prepare(company: Company) -> None:
    """Make an engagelab organisation with a member and a role that lets see text messages."""
    await company.join("uma")
    await company.make_role("Reader", "sms:view", actor="member:ann")
    await company.grant("Reader", "member:uma", actor="member:ann")


pytestmark = pytest.mark.company("engagelab", prepare=prepare)


async def test_a_new_organisation_has_the_admin_role_alone(found):
    """EL-03, EL-04: at first the built-in Admin is the only role that can be chosen."""
    company = await found("engagelab")
    answer = await company.roles.ListRoles(pb.ListRolesRequest(parent=company.parent))
    assert [(role.name, role.built_in) for role in answer.roles] == [(company.role("Admin"), True)]
    await refused(company.invite("uma", roles=["Reader"]), "INVALID_INPUT")


async def test_a_role_allows_exactly_what_it_was_given_at_once(company):
    """EL-01: permissions granted and revoked are effective when the call returns, without a restart."""
    assert await company.check("uma", "view", "sms") == (True, "allowed_by_rule")
    assert await company.check("uma", "send", "sms") == (False, "no_matching_rule")

    change = {"name": company.role("Reader"), "actor": "member:ann"}
    more = await company.roles.GrantPermissions(
        pb.GrantPermissionsRequest(permissions=["sms:send", "otp:view", "sms:view"], **change)
    )
    assert list(more.role.permissions) == ["otp:view", "sms:send", "sms:view"]
    assert await company.check("uma", "send", "sms", revision=more.revision) == (True, "allowed_by_rule")

    await company.roles.RevokePermissions(pb.RevokePermissionsRequest(permissions=["sms:send"], **change))
    assert await company.check("uma", "send", "sms") == (False, "no_matching_rule")
    assert await company.check("uma", "view", "otp") == (True, "allowed_by_rule")


async def test_roles_of_a_member_add_up(company):
    """EL-02: a member holds several roles, and each allows what it was given."""
    await company.make_role("Sender", "sms:send")
    await company.grant("Sender", "member:uma")
    assert list((await company.get("uma")).roles) == ["Reader", "Sender"]
    assert [(await company.check("uma", action, "sms"))[0] for action in ("view", "send", "delete")] == [
        True,
        True,
        False,
    ]


async def test_the_built_in_role_is_protected(company):
    """EL-03: deleting, renaming, editing and copying Admin is refused, and so is a second one of that name."""
    name = company.role("Admin")
    for call in (
        company.roles.DeleteRole(pb.DeleteRoleRequest(name=name)),
        company.roles.RenameRole(pb.RenameRoleRequest(name=name, new_role_id="Boss")),
        company.roles.GrantPermissions(pb.GrantPermissionsRequest(name=name, permissions=["sms:view"])),
        company.roles.RevokePermissions(pb.RevokePermissionsRequest(name=name, permissions=["sms:view"])),
        company.roles.CopyRole(pb.CopyRoleRequest(name=name, targets=["tenants/other"])),
    ):
        assert (await refused(call, "BUILT_IN_ROLE")).code is grpc.StatusCode.FAILED_PRECONDITION
    await refused(company.make_role("Admin", "sms:view"), "ALREADY_EXISTS")


async def test_a_renamed_role_goes_on_being_held(company):
    """EL-01: after a rename the holders hold it by its new name, and the old one is unknown."""
    await company.roles.RenameRole(pb.RenameRoleRequest(name=company.role("Reader"), new_role_id="Viewer"))
    assert list((await company.get("uma")).roles) == ["Viewer"]
    assert await company.check("uma", "view", "sms") == (True, "allowed_by_rule")
    await refused(company.roles.GetRole(pb.GetRoleRequest(name=company.role("Reader"))), "NOT_FOUND")


async def test_a_deleted_role_is_held_by_nobody(company):
    """EL-01: a deletion takes the role from all who held it; one of the same name later begins empty."""
    answer = await company.roles.DeleteRole(pb.DeleteRoleRequest(name=company.role("Reader")))
    assert answer.holders == 1
    await company.make_role("Reader", "sms:view")
    assert await company.holders("Reader") == []
    assert await company.check("uma", "view", "sms") == (False, "no_matching_rule")


async def test_the_members_of_a_role_are_listed_by_page_and_taken_out(company):
    """EL-13: a role lists its members page by page, and one can be taken out there."""
    for n in range(5):
        await company.join(f"m{n}", roles=["Reader"])
    assert await company.list(role="Reader", page_size=2) == ["m0", "m1", "m2", "m3", "m4", "uma"]

    await company.revoke("Reader", "member:m2", actor="member:ann")
    assert "m2" not in await company.list(role="Reader")
    assert await company.check("m2", "view", "sms") == (False, "no_matching_rule")
    await refused(company.revoke("Reader", "member:m2"), "NOT_FOUND")


async def test_a_role_is_copied_to_several_organisations(company, found):
    """EL-05: each target has a result; nothing changes where the caller is no Admin or the role exists already."""
    mine, foreign, taken = await found("engagelab"), await found("engagelab", founder="eve"), await found("engagelab")
    await taken.make_role("Reader", "otp:view")
    names = [one.parent for one in (mine, foreign, taken)]
    request = pb.CopyRoleRequest(name=company.role("Reader"), targets=[*names, "tenants/nowhere"], actor="member:ann")
    results = (await company.roles.CopyRole(request)).results

    assert [result.target for result in results] == [*names, "tenants/nowhere"]
    assert [result.WhichOneof("outcome") for result in results] == ["revision", "error", "error", "error"]
    await mine.join("ugo", roles=["Reader"])
    assert await mine.check("ugo", "view", "sms") == (True, "allowed_by_rule")
    for other in (foreign, taken):
        found_roles = (await other.roles.ListRoles(pb.ListRolesRequest(parent=other.parent))).roles
        assert ["sms:view"] not in [list(role.permissions) for role in found_roles]

    request.targets[:], request.replace = [taken.parent], True
    assert (await company.roles.CopyRole(request)).results[0].revision
    role = (await taken.roles.GetRole(pb.GetRoleRequest(name=taken.role("Reader")))).role
    assert list(role.permissions) == ["sms:view"]


async def test_who_manages_roles(company):
    """EL-13: only Admin makes, changes, copies and deletes roles, and takes members out of them."""
    name, actor = company.role("Reader"), "member:uma"
    for call in (
        company.make_role("Other", actor=actor),
        company.roles.GrantPermissions(pb.GrantPermissionsRequest(name=name, permissions=["sms:send"], actor=actor)),
        company.roles.RenameRole(pb.RenameRoleRequest(name=name, new_role_id="x", actor=actor)),
        company.roles.CopyRole(pb.CopyRoleRequest(name=name, targets=["tenants/other"], actor=actor)),
        company.roles.DeleteRole(pb.DeleteRoleRequest(name=name, actor=actor)),
        company.grant("Admin", "member:uma", actor=actor),
        company.revoke("Admin", "member:ann", actor=actor),
    ):
        await refused(call, "NOT_PERMITTED")
    assert await company.holders("Admin") == ["member:ann"]


@pytest.mark.parametrize(
    "permission", ["sms:veiw", "fax:view", "role:create", "sms", ":", "sms:"], ids=lambda text: text or "empty"
)
async def test_permissions_are_of_the_packs_making(company, permission):
    """EL-01: a role can't be given what the pack doesn't know, or keeps for itself."""
    await refused(company.make_role("Other", permission), "INVALID_INPUT")
    change = pb.GrantPermissionsRequest(name=company.role("Reader"), permissions=[permission])
    await refused(company.roles.GrantPermissions(change), "INVALID_INPUT")
    assert await company.check("uma", "view", "sms") == (True, "allowed_by_rule")


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "*", " a", "x" * 65])
async def test_a_wrong_name_is_refused(company, name):
    """EL-01: a role's name is one that facts documents take too."""
    refusal = await refused(company.make_role(name, "sms:view"), "INVALID_INPUT")
    assert set(refusal.violations) == {"role_id"}


async def test_a_change_of_what_was_altered_since_is_refused(company):
    """EL-01: with a stale etag nothing changes."""
    name = company.role("Reader")
    etag = (await company.roles.GetRole(pb.GetRoleRequest(name=name))).role.etag
    change = pb.GrantPermissionsRequest(name=name, permissions=["sms:send"], etag=etag)
    await company.roles.GrantPermissions(change)
    assert (await refused(company.roles.GrantPermissions(change), "STALE_ETAG")).code is grpc.StatusCode.ABORTED


async def test_packs_without_custom_roles_take_none(found):
    """EL-01: where the pack has none, a tenant makes none."""
    company = await found("eformsign")
    await refused(company.make_role("Reviewer", "document:view"), "INVALID_INPUT")
    assert (await refused(company.make_role("Reviewer", actor="member:ann"), "NOT_PERMITTED")).info.metadata


async def test_roles_are_listed_by_page(company):
    """EL-13: the built-in role leads the first page, and the pages add up to all."""
    for n in range(4):
        await company.make_role(f"R{n}")
    names, token = [], ""
    while True:
        page = await company.roles.ListRoles(pb.ListRolesRequest(parent=company.parent, page_size=2, page_token=token))
        names += [role.name.rpartition("/")[2] for role in page.roles]
        if not (token := page.next_page_token):
            break
    assert names == ["Admin", "R0", "R1", "R2", "R3", "Reader"]
