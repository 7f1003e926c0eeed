"""Tenants, listed, suspended, resumed and deleted."""

from __future__ import annotations

import click

from sidegate.authz.v1 import tenant_pb2 as pb
from sidegate.authz.v1.tenant_pb2_grpc import TenantServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import console, print_table
from sidegate.cli.shell.names import id_of
from sidegate.cli.shell.session import Session, cross_tenant_options, page_options, write_options

STATES = ("active", "suspended")
_HEADERS = ("tenant", "pack", "state", "seats taken", "created")


@click.command(
    "list",
    cls=Command,
    examples=(("All of them", "sidegate tenant list"), ("Who is suspended", "sidegate tenant list --state suspended")),
)
@click.option("--state", type=click.Choice(STATES), help="Those in this state.")
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


@click.command(cls=Command, examples=(("Pause a company", "sidegate tenant suspend --tenant acme"),))
@write_options
def suspend(session: Session) -> None:
    """Let nobody in the tenant be allowed anything.

    All that is in it stays, and decides again once it is resumed.
    """
    request = pb.SuspendTenantRequest(name=session.parent, actor=session.actor, request_id=session.request_id)
    session.show(session.call(TenantServiceStub, "SuspendTenant", request), f"{session.tenant} is suspended")


@click.command(cls=Command, examples=(("Let it go on", "sidegate tenant resume --tenant acme"),))
@write_options
def resume(session: Session) -> None:
    """Let the suspended tenant decide as before.

    Only the platform can.
    """
    request = pb.ResumeTenantRequest(name=session.parent, actor=session.actor, request_id=session.request_id)
    session.show(session.call(TenantServiceStub, "ResumeTenant", request), f"{session.tenant} is active")


@click.command(
    cls=Command,
    examples=(
        ("See what would go, and get a token", "sidegate tenant delete --tenant acme"),
        ("Confirm it", "sidegate tenant delete --tenant acme --confirm TOKEN"),
        ("Both at once", "sidegate tenant delete --tenant acme --yes"),
    ),
)
@click.option("--confirm", "token", default="", metavar="TOKEN", help="The token of the call before.")
@click.option("--yes", is_flag=True, help="Ask and confirm in one.")
@write_options
def delete(session: Session, *, token: str, yes: bool) -> None:
    """Delete the tenant with all that is in it.

    The first call deletes nothing and returns a token; the second carries it. The history stays.
    """

    def request(confirmation: str) -> pb.DeleteTenantRequest:
        return pb.DeleteTenantRequest(
            name=session.parent,
            confirmation_token=confirmation,
            actor=session.actor,
            request_id=session.request_id if confirmation else "",
        )

    answer = session.call(TenantServiceStub, "DeleteTenant", request(token))
    if yes and not answer.deleted:
        answer = session.call(TenantServiceStub, "DeleteTenant", request(answer.confirmation_token))
    content = f"members {answer.members}; resources {answer.resources}"
    if answer.deleted:
        session.show(answer, f"{session.tenant} is deleted: {content}")
        return
    session.show(
        answer,
        f"{session.tenant} would be deleted: {content}",
        f"  confirm it within ten minutes: --confirm {answer.confirmation_token}",
    )


def _row(tenant: pb.Tenant) -> tuple[str, ...]:
    return (
        id_of(tenant.name),
        tenant.pack or "the default",
        pb.TenantState.Name(tenant.state).removeprefix("TENANT_STATE_").lower(),
        str(tenant.seats_taken),
        tenant.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M"),
    )
