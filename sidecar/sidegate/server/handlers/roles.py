"""RoleService, whatever transport carries it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from sidegate.authz.v1 import role_pb2 as pb
from sidegate.errors import InvalidInput, Violation
from sidegate.membership.grants import Delegation, Grants
from sidegate.membership.roles import PermissionChange, Roles, RoleState
from sidegate.model.facts import Grant
from sidegate.model.page import GrantQuery, Relation
from sidegate.policy.pack.schema import TENANT
from sidegate.server.calls.errors import report_error
from sidegate.server.handlers.calls import read_call, write_call
from sidegate.server.handlers.writes import Writes
from sidegate.server.wire.names import ROLES, ids_of, name_of, tenant_of
from sidegate.server.wire.tokens.pages import PageTokens
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals
from sidegate.server.wire.validation import Inspection, quoted

_HOLDERS: Final = ("member:", "group:")
_HOLDER: Final = "`member:<id>` or `group:<id>`"


class RoleHandler:
    """Reads and writes roles and grants; errors are Sidegate's own; the transport maps them."""

    def __init__(self, roles: Roles, grants: Grants, tokens: RevisionTokens, seals: Seals) -> None:
        self._roles = roles
        self._grants = grants
        self._tokens = tokens
        self._writes = Writes(tokens)
        self._pages = PageTokens(seals)

    async def create_role(self, message: pb.CreateRoleRequest) -> pb.CreateRoleResponse:
        """Create a role.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.CreateRoleResponse,
            use_case=lambda call: self._roles.create(tenant, message.role_id, _permissions(message.permissions), call),
            respond=lambda state: pb.CreateRoleResponse(role=_role(tenant, state)),
        )

    async def get_role(self, message: pb.GetRoleRequest) -> pb.GetRoleResponse:
        """Return a role.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is none of this name.
        """
        tenant, role = ids_of(message.name, ROLES, "name", stored=True)
        return pb.GetRoleResponse(role=_role(tenant, await self._roles.get(tenant, role, read_call(message))))

    async def list_roles(self, message: pb.ListRolesRequest) -> pb.ListRolesResponse:
        """Return a page of roles.

        Raises:
            InvalidInput: the page's token is wrong.
            NotPermitted: the tenant's pack denies it.
            NotFound: there is no such tenant.
        """
        tenant, page = tenant_of(message.parent, "parent", stored=True), self._pages.open(message)
        found = await self._roles.list(tenant, read_call(message), after=page.after, limit=page.limit)
        built_in = [state for state in found if state.built_in]
        own, token = self._pages.cut(page, found[len(built_in) :], lambda state: state.name)
        return pb.ListRolesResponse(roles=[_role(tenant, one) for one in (*built_in, *own)], next_page_token=token)

    async def grant_permissions(self, message: pb.GrantPermissionsRequest) -> pb.GrantPermissionsResponse:
        """Add permissions to a role.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, role = ids_of(message.name, ROLES, "name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.GrantPermissionsResponse,
            use_case=lambda call: self._roles.change(
                tenant, PermissionChange(role, added=_some(message.permissions), etag=message.etag), call
            ),
            respond=lambda state: pb.GrantPermissionsResponse(role=_role(tenant, state)),
        )

    async def revoke_permissions(self, message: pb.RevokePermissionsRequest) -> pb.RevokePermissionsResponse:
        """Remove permissions from a role.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, role = ids_of(message.name, ROLES, "name", stored=True)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.RevokePermissionsResponse,
            use_case=lambda call: self._roles.change(
                tenant, PermissionChange(role, removed=_some(message.permissions), etag=message.etag), call
            ),
            respond=lambda state: pb.RevokePermissionsResponse(role=_role(tenant, state)),
        )

    async def rename_role(self, message: pb.RenameRoleRequest) -> pb.RenameRoleResponse:
        """Give a role another name.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, role = ids_of(message.name, ROLES, "name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.RenameRoleResponse,
            use_case=lambda call: self._roles.rename(tenant, role, message.new_role_id, call),
            respond=lambda state: pb.RenameRoleResponse(role=_role(tenant, state)),
        )

    async def delete_role(self, message: pb.DeleteRoleRequest) -> pb.DeleteRoleResponse:
        """Delete a role.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, role = ids_of(message.name, ROLES, "name", stored=True)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.DeleteRoleResponse,
            use_case=lambda call: self._roles.delete(tenant, role, call),
            respond=lambda holders: pb.DeleteRoleResponse(holders=holders),
        )

    async def copy_role(self, message: pb.CopyRoleRequest) -> pb.CopyRoleResponse:
        """Copy a role to several tenants.

        Raises:
            SidegateError: this tenant refuses it; nothing was written.
        """
        tenant, role = ids_of(message.name, ROLES, "name")
        targets = [tenant_of(name, f"targets[{position}]") for position, name in enumerate(message.targets)]
        copied = await self._roles.copy(tenant, role, targets, write_call(message), replacing=message.replace)
        results = []
        for one in copied:
            result = pb.CopyRoleResult(target=name_of(one.tenant))
            if one.failure is None:
                result.revision = self._tokens.encode(one.tenant, one.revision)
            else:
                result.error.CopyFrom(report_error(one.failure, call=f"CopyRole to {one.tenant}"))
            results.append(result)
        return pb.CopyRoleResponse(results=results)

    async def grant_role(self, message: pb.GrantRoleRequest) -> pb.GrantRoleResponse:
        """Grant a role on a scope to a member or a group.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.GrantRoleResponse,
            use_case=lambda call: self._grants.grant(tenant, _read_grant(message.grant), call),
            respond=lambda grant: pb.GrantRoleResponse(grant=_grant(tenant, grant)),
        )

    async def revoke_role(self, message: pb.RevokeRoleRequest) -> pb.RevokeRoleResponse:
        """Revoke a role from a member or a group.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent", stored=True)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.RevokeRoleResponse,
            use_case=lambda call: self._grants.revoke(tenant, _read_grant(message.grant, stored=True), call),
            respond=lambda _: pb.RevokeRoleResponse(),
        )

    async def list_grants(self, message: pb.ListGrantsRequest) -> pb.ListGrantsResponse:
        """Return a page of grants.

        Raises:
            InvalidInput: none or several of holder, scope and role are given, or one or the page's token is not right.
            NotPermitted: the tenant's pack denies it.
            NotFound: there is no such tenant.
        """
        tenant = tenant_of(message.parent, "parent", stored=True)
        asked = {
            Relation.GRANTS_OF: message.holder,
            Relation.GRANTS_ON: message.scope,
            Relation.GRANTS_AS: message.role,
        }
        given = [(relation, value) for relation, value in asked.items() if value]
        if len(given) != 1:
            raise InvalidInput(Violation("", "expected exactly one of `holder`, `scope` and `role`"))
        if message.scope == TENANT:
            raise InvalidInput(Violation("scope", "is not right: on the tenant, expected a `role` or a `holder`"))
        if message.holder and not message.holder.startswith(_HOLDERS):
            raise InvalidInput(Violation("holder", f"{quoted(message.holder)} is not right: expected {_HOLDER}"))
        page, query = self._pages.open(message), GrantQuery(*given[0])
        after = Grant(*json.loads(page.after)) if page.after else None
        found = await self._grants.list(tenant, query, read_call(message), after=after, limit=page.limit)
        grants, token = self._pages.cut(page, found, lambda one: json.dumps((one.role, one.scope, one.holder)))
        return pb.ListGrantsResponse(grants=[_grant(tenant, grant) for grant in grants], next_page_token=token)

    async def delegate_role(self, message: pb.DelegateRoleRequest) -> pb.DelegateRoleResponse:
        """Delegate the role that exactly one member holds to another member.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent")
        inspection = Inspection()
        inspection.identifier("to", message.to)
        inspection.finish()

        def respond(done: Delegation) -> pb.DelegateRoleResponse:
            return pb.DelegateRoleResponse(role=done.role, former=done.former, holder=done.holder)

        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.DelegateRoleResponse,
            use_case=lambda call: self._grants.delegate(tenant, message.role, message.to, call),
            respond=respond,
        )


def _some(written: Iterable[str]) -> list[tuple[str, str]]:
    permissions = _permissions(written)
    if not permissions:
        raise InvalidInput(Violation("permissions", "is empty: expected some, such as `document:view`"))
    return permissions


def _permissions(written: Iterable[str]) -> list[tuple[str, str]]:
    inspection = Inspection()
    permissions = []
    for position, text in enumerate(written):
        type_, colon, action = text.partition(":")
        if not (type_ and colon and action):
            inspection.add(f"permissions[{position}]", f"{quoted(text)} is not right: expected `type:action`")
        permissions.append((type_, action))
    inspection.finish()
    return permissions


def _read_grant(grant: pb.Grant, *, stored: bool = False) -> Grant:
    inspection = Inspection()
    inspection.identifier("grant.role", grant.role, stored=stored)
    inspection.identifier("grant.scope", grant.scope, stored=stored)
    inspection.identifier("grant.holder", grant.holder, stored=stored)
    if grant.scope != TENANT and ":" not in grant.scope:
        inspection.add(
            "grant.scope", f"{quoted(grant.scope)} is not right: expected `tenant`, or one as `template:nda`"
        )
    if not grant.holder.startswith(_HOLDERS):
        inspection.add("grant.holder", f"{quoted(grant.holder)} is not right: expected {_HOLDER}")
    inspection.finish()
    return Grant(grant.role, grant.scope, grant.holder)


def _grant(tenant: str, grant: Grant) -> pb.Grant:
    scope = TENANT if grant.scope == f"{TENANT}:{tenant}" else grant.scope
    return pb.Grant(role=grant.role, scope=scope, holder=grant.holder)


def _role(tenant: str, state: RoleState) -> pb.Role:
    return pb.Role(
        name=name_of(tenant, ROLES, state.name),
        permissions=[f"{type_}:{action}" for type_, action in state.permissions],
        built_in=state.built_in,
        etag=state.etag,
    )
