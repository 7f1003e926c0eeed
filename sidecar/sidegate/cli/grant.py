"""`sidegate grant`: who holds which role on what."""

from __future__ import annotations

from typing import Any

import click

from sidegate.authz.v1 import role_pb2 as pb
from sidegate.authz.v1.role_pb2_grpc import RoleServiceStub
from sidegate.cli.shell.commands import Command, lazy_group
from sidegate.cli.shell.names import holder_ref
from sidegate.cli.shell.session import Session, page_options, read_options, write_options

COMMANDS = {
    "add": "sidegate.cli.grant:add",
    "remove": "sidegate.cli.grant:remove",
    "list": "sidegate.cli.grant:list_",
    "delegate": "sidegate.cli.grant:delegate",
}
EXAMPLES = (
    ("A role on the tenant", "sidegate grant add --tenant acme company_admin cam"),
    (
        "A role on one template, for a group",
        "sidegate grant add --tenant acme template_user group:sales --on template:nda",
    ),
)
_ON = click.option(
    "--on", "scope", default="tenant", show_default=True, metavar="SCOPE", help="type:id, or the tenant."
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def grant() -> None:
    """Grant, revoke and delegate roles."""


@click.command(cls=Command, examples=(("On the tenant", "sidegate grant add --tenant acme admin uma"), *EXAMPLES[1:]))
@click.argument("role")
@click.argument("holder")
@_ON
@write_options
def add(session: Session, *, role: str, holder: str, scope: str) -> None:
    """Grant ROLE on SCOPE to HOLDER.

    HOLDER is a member's ID, or member:id, or group:id.
    """
    made = pb.Grant(role=role, scope=scope, holder=holder_ref(holder))
    request = pb.GrantRoleRequest(parent=session.parent, grant=made, actor=session.actor, request_id=session.request_id)
    session.show(session.call(RoleServiceStub, "GrantRole", request), f"{made.holder} holds {role} on {scope}")


@click.command(cls=Command, examples=(("On the tenant", "sidegate grant remove --tenant acme admin uma"),))
@click.argument("role")
@click.argument("holder")
@_ON
@write_options
def remove(session: Session, *, role: str, holder: str, scope: str) -> None:
    """Revoke ROLE on SCOPE from HOLDER."""
    revoked = pb.Grant(role=role, scope=scope, holder=holder_ref(holder))
    request = pb.RevokeRoleRequest(
        parent=session.parent, grant=revoked, actor=session.actor, request_id=session.request_id
    )
    session.show(
        session.call(RoleServiceStub, "RevokeRole", request), f"{revoked.holder} no longer holds {role} on {scope}"
    )


@click.command(
    "list",
    cls=Command,
    examples=(
        ("What a member holds", "sidegate grant list --tenant acme --holder uma"),
        ("Who holds something on a template", "sidegate grant list --tenant acme --on template:nda"),
        ("Who holds a role on the tenant", "sidegate grant list --tenant acme --role admin"),
    ),
)
@click.option("--holder", default="", help="Grants that this member or group holds itself.")
@click.option("--on", "scope", default="", help="Grants on this resource.")
@click.option("--role", default="", help="Grants of this role on the tenant.")
@page_options
@read_options
def list_(session: Session, *, holder: str, scope: str, role: str, **page: Any) -> None:
    """List grants of a holder, a scope or a role.

    Exactly one of --holder, --on and --role is given.
    """
    if sum(map(bool, (holder, scope, role))) != 1:
        raise click.UsageError("expected exactly one of --holder, --on and --role")
    held_by = holder_ref(holder) if holder else ""
    asked = pb.ListGrantsRequest(parent=session.parent, holder=held_by, scope=scope, role=role, actor=session.actor)
    asked.page_size, asked.page_token = page["limit"], page["page_token"]
    answer = session.call(RoleServiceStub, "ListGrants", asked)
    more = (f"There are more: --page {answer.next_page_token}",) if answer.next_page_token else ()
    session.show(answer, *(f"{one.holder} holds {one.role} on {one.scope}" for one in answer.grants), *more)


@click.command(cls=Command, examples=(("Hand over the company", "sidegate grant delegate --tenant acme cam"),))
@click.argument("member")
@click.option("--role", default="", help="The role.  [default: the tenant's first]")
@write_options
def delegate(session: Session, *, member: str, role: str) -> None:
    """Hand over a role that exactly one member holds to MEMBER.

    The role changes hands in one write, so exactly one member holds it at any time.
    """
    request = pb.DelegateRoleRequest(
        parent=session.parent, role=role, to=member, actor=session.actor, request_id=session.request_id
    )
    answer = session.call(RoleServiceStub, "DelegateRole", request)
    session.show(answer, f"{answer.holder} is {answer.role} now, and {answer.former} is no longer")
