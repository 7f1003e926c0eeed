"""Lists, suspends, resumes and deletes tenants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from sidegate.authz.v1 import tenant_pb2 as pb
from sidegate.authz.v1.tenant_pb2_grpc import TenantServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.confirmation import Confirmation, confirmation_option
from sidegate.cli.shell.console import console, print_table
from sidegate.cli.shell.names import id_of
from sidegate.cli.shell.session import Session, cross_tenant_options, page_options, write_options

STATES = ("active", "suspended")
_HEADERS = ("tenant", "pack", "state", "seats taken", "created")


@click.command(
    "list",
    cls=Command,
    examples=(
        ("All of them", "sidegate tenant list"),
        ("Those that are suspended", "sidegate tenant list --state suspended"),
    ),
)
@click.option("--state", type=click.Choice(STATES), help="Tenants in this state.")
@page_options
@cross_tenant_options
def list_(session: Session, *, state: str | None, limit: int, page_token: str) -> None:
    """List all tenants."""
    wanted = pb.TenantState.Value(f"TENANT_STATE_{state.upper()}") if state else pb.TENANT_STATE_UNSPECIFIED
    request = pb.ListTenantsRequest(state=wanted, page_size=limit, page_token=page_token)
    answer = session.call(TenantServiceStub, "ListTenants", request)
    if session.as_json:
        session.show(answer)
        return
    print_table(console(), _HEADERS, [_row(tenant) for tenant in answer.tenants])
    if answer.next_page_token:
        click.echo(f"\nThere are more: --page {answer.next_page_token}")


@click.command(
    cls=Command,
    examples=(
        ("Suspend a company, after a question", "sidegate tenant suspend --tenant acme"),
        ("In a script", "sidegate tenant suspend --tenant acme --yes"),
    ),
)
@confirmation_option
@write_options
def suspend(session: Session, confirmation: Confirmation) -> None:
    """Suspend the tenant: every question about it is denied.

    All facts of it stay, and decide again once it is resumed. Without --yes a person is asked on the terminal.
    """
    confirmation.require(f"suspend tenant `{session.tenant}`", _denied(session))
    request = pb.SuspendTenantRequest(name=session.parent, actor=session.actor, request_id=session.request_id)
    session.show(session.call(TenantServiceStub, "SuspendTenant", request), f"{session.tenant} is suspended")


@click.command(cls=Command, examples=(("Resume it", "sidegate tenant resume --tenant acme"),))
@write_options
def resume(session: Session) -> None:
    """Resume the suspended tenant: it decides as before.

    Only the platform can.
    """
    request = pb.ResumeTenantRequest(name=session.parent, actor=session.actor, request_id=session.request_id)
    session.show(session.call(TenantServiceStub, "ResumeTenant", request), f"{session.tenant} is active")


@click.command(
    cls=Command,
    examples=(
        ("Delete it, after a question", "sidegate tenant delete --tenant acme"),
        ("In a script", "sidegate tenant delete --tenant acme --yes"),
        ("In two calls: the first prints a token", "sidegate tenant delete --tenant acme --json"),
        ("", "sidegate tenant delete --tenant acme --confirm TOKEN"),
    ),
)
@click.option("--confirm", "token", default="", metavar="TOKEN", help="The token of the call before.")
@confirmation_option
@write_options
def delete(session: Session, confirmation: Confirmation, *, token: str) -> None:
    """Delete the tenant with all facts of it.

    Without --yes and --confirm a person is asked on the terminal; where there is none, nothing is deleted, and the
    token for a second call is printed. The history stays.
    """

    def call(token: str) -> Any:
        request = pb.DeleteTenantRequest(
            name=session.parent,
            confirmation_token=token,
            actor=session.actor,
            request_id=session.request_id if token else "",
        )
        return session.call(TenantServiceStub, "DeleteTenant", request)

    action = f"delete tenant `{session.tenant}`"
    answer = confirmation.delete_by_token(session, call, token=token, action=action, losses=_losses)
    session.show(answer, f"{session.tenant} is deleted: {'; '.join(_losses(answer))}")


def _losses(answer: pb.DeleteTenantResponse) -> tuple[str, ...]:
    return f"members {answer.members}", f"resources {answer.resources}"


def _denied(session: Session) -> Iterator[str]:
    request = pb.GetTenantRequest(name=session.parent, actor=session.actor)
    seats = session.call(TenantServiceStub, "GetTenant", request).tenant.seats_taken
    yield f"{seats} members are denied everything until it is resumed"


def _row(tenant: pb.Tenant) -> tuple[str, ...]:
    return (
        id_of(tenant.name),
        tenant.pack or "the default",
        pb.TenantState.Name(tenant.state).removeprefix("TENANT_STATE_").lower(),
        str(tenant.seats_taken),
        tenant.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M"),
    )
