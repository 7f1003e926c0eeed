"""`sidegate role`: the custom roles of a tenant."""

from __future__ import annotations

from collections.abc import Iterator

import click

from sidegate.authz.v1 import role_pb2 as pb
from sidegate.authz.v1.role_pb2_grpc import RoleServiceStub
from sidegate.cli.shell.commands import Command, lazy_group
from sidegate.cli.shell.confirmation import Confirmation, confirmation_option
from sidegate.cli.shell.failures import DENIED, Failure
from sidegate.cli.shell.names import id_of
from sidegate.cli.shell.session import Session, page_options, read_options, write_options
from sidegate.server.wire.names import name_of

COMMANDS = {
    "create": "sidegate.cli.role:create",
    "list": "sidegate.cli.role:list_",
    "show": "sidegate.cli.role:show",
    "allow": "sidegate.cli.role:allow",
    "disallow": "sidegate.cli.role:disallow",
    "rename": "sidegate.cli.role:rename",
    "delete": "sidegate.cli.role:delete",
    "copy": "sidegate.cli.role:copy",
}
EXAMPLES = (
    ("Create a role", "sidegate role create --tenant acme Reviewer document:view document:comment"),
    ("Copy it to other companies", "sidegate role copy --tenant acme Reviewer globex initech"),
)
_PERMISSIONS = click.argument("permissions", nargs=-1, required=True, metavar="PERMISSION...")


@lazy_group(COMMANDS, examples=EXAMPLES)
def role() -> None:
    """Create roles, and change what they allow."""


@click.command(
    cls=Command, examples=(("A role for reviewers", "sidegate role create --tenant acme Reviewer document:view"),)
)
@click.argument("role")
@click.argument("permissions", nargs=-1, metavar="[PERMISSION]...")
@write_options
def create(session: Session, *, role: str, permissions: tuple[str, ...]) -> None:
    """Create ROLE, which allows each PERMISSION.

    PERMISSION is type:action, such as document:view.
    """
    request = pb.CreateRoleRequest(
        parent=session.parent, role_id=role, permissions=permissions, actor=session.actor, request_id=session.request_id
    )
    session.show(session.call(RoleServiceStub, "CreateRole", request), f"made role {role}")


@click.command("list", cls=Command, examples=(("All of them", "sidegate role list --tenant acme"),))
@page_options
@read_options
def list_(session: Session, *, limit: int, page_token: str) -> None:
    """List the roles of the tenant."""
    request = pb.ListRolesRequest(parent=session.parent, page_size=limit, page_token=page_token, actor=session.actor)
    answer = session.call(RoleServiceStub, "ListRoles", request)
    more = (f"There are more: --page {answer.next_page_token}",) if answer.next_page_token else ()
    session.show(answer, *map(_line, answer.roles), *more)


@click.command(cls=Command, examples=(("Show a role", "sidegate role show --tenant acme Reviewer"),))
@click.argument("role")
@read_options
def show(session: Session, *, role: str) -> None:
    """Show ROLE and what it allows."""
    request = pb.GetRoleRequest(name=session.name("roles", role), actor=session.actor)
    answer = session.call(RoleServiceStub, "GetRole", request)
    session.show(answer, _line(answer.role))


@click.command(
    cls=Command, examples=(("Allow one more", "sidegate role allow --tenant acme Reviewer document:comment"),)
)
@click.argument("role")
@_PERMISSIONS
@write_options
def allow(session: Session, *, role: str, permissions: tuple[str, ...]) -> None:
    """Add each PERMISSION to ROLE.

    The change is active when this returns.
    """
    request = pb.GrantPermissionsRequest(
        name=session.name("roles", role), permissions=permissions, actor=session.actor, request_id=session.request_id
    )
    answer = session.call(RoleServiceStub, "GrantPermissions", request)
    session.show(answer, _line(answer.role))


@click.command(
    cls=Command, examples=(("Allow one less", "sidegate role disallow --tenant acme Reviewer document:comment"),)
)
@click.argument("role")
@_PERMISSIONS
@write_options
def disallow(session: Session, *, role: str, permissions: tuple[str, ...]) -> None:
    """Remove each PERMISSION from ROLE.

    The change is active when this returns.
    """
    request = pb.RevokePermissionsRequest(
        name=session.name("roles", role), permissions=permissions, actor=session.actor, request_id=session.request_id
    )
    answer = session.call(RoleServiceStub, "RevokePermissions", request)
    session.show(answer, _line(answer.role))


@click.command(cls=Command, examples=(("Rename it", "sidegate role rename --tenant acme Reviewer Reader"),))
@click.argument("role")
@click.argument("name")
@write_options
def rename(session: Session, *, role: str, name: str) -> None:
    """Rename ROLE to NAME.

    Its holders keep it.
    """
    request = pb.RenameRoleRequest(
        name=session.name("roles", role), new_role_id=name, actor=session.actor, request_id=session.request_id
    )
    session.show(session.call(RoleServiceStub, "RenameRole", request), f"role {role} is {name} now")


@click.command(
    cls=Command,
    examples=(
        ("Delete it, after a question", "sidegate role delete --tenant acme Reviewer"),
        ("In a script", "sidegate role delete --tenant acme Reviewer --yes"),
    ),
)
@click.argument("role")
@confirmation_option
@write_options
def delete(session: Session, confirmation: Confirmation, *, role: str) -> None:
    """Delete ROLE, and every grant of it.

    Without --yes a person is asked on the terminal.
    """
    confirmation.require(f"delete role `{role}`", _losses(session, role))
    request = pb.DeleteRoleRequest(name=session.name("roles", role), actor=session.actor, request_id=session.request_id)
    answer = session.call(RoleServiceStub, "DeleteRole", request)
    session.show(answer, f"role {role} is deleted; {answer.holders} held it")


@click.command(
    cls=Command,
    examples=(
        ("To two companies", "sidegate role copy --tenant acme Reviewer globex initech"),
        ("In place of theirs", "sidegate role copy --tenant acme Reviewer globex --replace --yes"),
    ),
)
@click.argument("role")
@click.argument("tenants", nargs=-1, required=True, metavar="TENANT...")
@click.option("--replace", is_flag=True, help="Replace a role of the same name.")
@confirmation_option
@write_options
def copy(session: Session, confirmation: Confirmation, *, role: str, tenants: tuple[str, ...], replace: bool) -> None:
    """Copy ROLE to each other TENANT.

    There is a result for each; where one fails, the others are copied, and the exit code is 1. With --replace and
    without --yes a person is asked on the terminal.
    """
    if replace:
        confirmation.require(f"replace role `{role}` in other tenants", tenants)
    request = pb.CopyRoleRequest(
        name=session.name("roles", role),
        targets=map(name_of, tenants),
        replace=replace,
        actor=session.actor,
        request_id=session.request_id,
    )
    answer = session.call(RoleServiceStub, "CopyRole", request)
    failed = [result for result in answer.results if result.WhichOneof("outcome") == "error"]
    session.show(answer, *(f"{id_of(result.target)}: {result.error.message or 'copied'}" for result in answer.results))
    if failed:
        raise Failure(f"{len(failed)} of {len(answer.results)} targets failed", exit_code=DENIED)


def _losses(session: Session, role: str) -> Iterator[str]:
    """Yield what a role allows, and who holds it on the tenant."""
    shown = pb.GetRoleRequest(name=session.name("roles", role), actor=session.actor)
    yield _line(session.call(RoleServiceStub, "GetRole", shown).role)
    held = pb.ListGrantsRequest(parent=session.parent, role=role, actor=session.actor)
    yield from (f"{one.holder} holds it" for one in session.call(RoleServiceStub, "ListGrants", held).grants)


def _line(role: pb.Role) -> str:
    allowed = "built in" if role.built_in else ", ".join(role.permissions) or "allows nothing"
    return f"{id_of(role.name)}: {allowed}"
