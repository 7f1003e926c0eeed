"""`sidegate role`: the roles that tenants make."""

from __future__ import annotations

import click

from sidegate.authz.v1 import role_pb2 as pb
from sidegate.authz.v1.role_pb2_grpc import RoleServiceStub
from sidegate.cli.shell.commands import Command, LazyGroup
from sidegate.cli.shell.failures import DENIED, Failure
from sidegate.cli.shell.session import Acting, acting, asking, decoded, encoded

COMMANDS = {
    "create": ("Make ROLE, which allows each PERMISSION.", "sidegate.cli.role:create"),
    "list": ("List the roles of the tenant.", "sidegate.cli.role:list_"),
    "show": ("Show ROLE and what it allows.", "sidegate.cli.role:show"),
    "allow": ("Let ROLE allow each PERMISSION besides.", "sidegate.cli.role:allow"),
    "disallow": ("Let ROLE allow each PERMISSION no more.", "sidegate.cli.role:disallow"),
    "rename": ("Give ROLE another NAME.", "sidegate.cli.role:rename"),
    "delete": ("Delete ROLE; nobody holds it then.", "sidegate.cli.role:delete"),
    "copy": ("Copy ROLE to each other TENANT.", "sidegate.cli.role:copy"),
}
EXAMPLES = (
    ("Make a role", "sidegate role create --tenant acme Reviewer document:view document:comment"),
    ("Copy it to other companies", "sidegate role copy --tenant acme Reviewer globex initech"),
)
_PERMISSIONS = click.argument("permissions", nargs=-1, required=True, metavar="PERMISSION...")


@click.group(cls=LazyGroup, loads=COMMANDS, examples=EXAMPLES)
def role() -> None:
    """Make roles, and say what they allow."""


@click.command(cls=Command, examples=(("Who may review", "sidegate role create --tenant acme Reviewer document:view"),))
@click.argument("role")
@click.argument("permissions", nargs=-1, metavar="[PERMISSION]...")
@acting
def create(by: Acting, *, role: str, permissions: tuple[str, ...]) -> None:
    """Make ROLE, which allows each PERMISSION.

    PERMISSION is type:action, such as document:view.
    """
    request = pb.CreateRoleRequest(
        parent=by.parent, role_id=role, permissions=permissions, actor=by.actor, request_id=by.request_id
    )
    by.tell(by.call(RoleServiceStub, "CreateRole", request), f"made role {role}")


@click.command("list", cls=Command, examples=(("All of them", "sidegate role list --tenant acme"),))
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many on a page.")
@click.option("--page", "page_token", default="", metavar="TOKEN", help="The page that an answer before named.")
@asking
def list_(by: Acting, *, limit: int, page_token: str) -> None:
    """List the roles of the tenant."""
    request = pb.ListRolesRequest(parent=by.parent, page_size=limit, page_token=page_token, actor=by.actor)
    answer = by.call(RoleServiceStub, "ListRoles", request)
    more = (f"There are more: --page {answer.next_page_token}",) if answer.next_page_token else ()
    by.tell(answer, *map(_line, answer.roles), *more)


@click.command(cls=Command, examples=(("Show a role", "sidegate role show --tenant acme Reviewer"),))
@click.argument("role")
@asking
def show(by: Acting, *, role: str) -> None:
    """Show ROLE and what it allows."""
    request = pb.GetRoleRequest(name=by.name("roles", role), actor=by.actor)
    answer = by.call(RoleServiceStub, "GetRole", request)
    by.tell(answer, _line(answer.role))


@click.command(cls=Command, examples=(("Add one", "sidegate role allow --tenant acme Reviewer document:comment"),))
@click.argument("role")
@_PERMISSIONS
@acting
def allow(by: Acting, *, role: str, permissions: tuple[str, ...]) -> None:
    """Let ROLE allow each PERMISSION besides.

    It is in force when this returns.
    """
    request = pb.GrantPermissionsRequest(
        name=by.name("roles", role), permissions=permissions, actor=by.actor, request_id=by.request_id
    )
    answer = by.call(RoleServiceStub, "GrantPermissions", request)
    by.tell(answer, _line(answer.role))


@click.command(cls=Command, examples=(("Take one", "sidegate role disallow --tenant acme Reviewer document:comment"),))
@click.argument("role")
@_PERMISSIONS
@acting
def disallow(by: Acting, *, role: str, permissions: tuple[str, ...]) -> None:
    """Let ROLE allow each PERMISSION no more.

    It is out of force when this returns.
    """
    request = pb.RevokePermissionsRequest(
        name=by.name("roles", role), permissions=permissions, actor=by.actor, request_id=by.request_id
    )
    answer = by.call(RoleServiceStub, "RevokePermissions", request)
    by.tell(answer, _line(answer.role))


@click.command(cls=Command, examples=(("Rename it", "sidegate role rename --tenant acme Reviewer Reader"),))
@click.argument("role")
@click.argument("name")
@acting
def rename(by: Acting, *, role: str, name: str) -> None:
    """Give ROLE another NAME.

    Who holds it goes on holding it.
    """
    request = pb.RenameRoleRequest(
        name=by.name("roles", role), new_role_id=name, actor=by.actor, request_id=by.request_id
    )
    by.tell(by.call(RoleServiceStub, "RenameRole", request), f"role {role} is {name} now")


@click.command(cls=Command, examples=(("Delete it", "sidegate role delete --tenant acme Reviewer"),))
@click.argument("role")
@acting
def delete(by: Acting, *, role: str) -> None:
    """Delete ROLE; nobody holds it then."""
    request = pb.DeleteRoleRequest(name=by.name("roles", role), actor=by.actor, request_id=by.request_id)
    answer = by.call(RoleServiceStub, "DeleteRole", request)
    by.tell(answer, f"role {role} is deleted; {answer.holders} held it")


@click.command(
    cls=Command, examples=(("To two companies", "sidegate role copy --tenant acme Reviewer globex initech"),)
)
@click.argument("role")
@click.argument("tenants", nargs=-1, required=True, metavar="TENANT...")
@click.option("--replace", is_flag=True, help="Replace a role of the same name.")
@acting
def copy(by: Acting, *, role: str, tenants: tuple[str, ...], replace: bool) -> None:
    """Copy ROLE to each other TENANT.

    There is a result for each; where one fails, the others hold, and the exit code is 1.
    """
    request = pb.CopyRoleRequest(
        name=by.name("roles", role),
        targets=[f"tenants/{encoded(name)}" for name in tenants],
        replace=replace,
        actor=by.actor,
        request_id=by.request_id,
    )
    answer = by.call(RoleServiceStub, "CopyRole", request)
    failed = [result for result in answer.results if result.WhichOneof("outcome") == "error"]
    by.tell(answer, *(f"{_target(result)}: {result.error.message or 'copied'}" for result in answer.results))
    if failed:
        raise Failure(f"{len(failed)} of {len(answer.results)} targets failed", exit_code=DENIED)


def _target(result: pb.CopyRoleResult) -> str:
    return decoded(result.target)


def _line(role: pb.Role) -> str:
    allowed = "built in" if role.built_in else ", ".join(role.permissions) or "allows nothing"
    return f"{decoded(role.name)}: {allowed}"
