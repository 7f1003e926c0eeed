"""Creates, shows and configures tenants."""

from __future__ import annotations

import json
from typing import Any

import click

from sidegate.authz.v1 import tenant_pb2 as pb
from sidegate.authz.v1.tenant_pb2_grpc import TenantServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_pack
from sidegate.cli.shell.console import plain
from sidegate.cli.shell.inputs import assignments
from sidegate.cli.shell.session import Session, read_options, write_options
from sidegate.server.wire.properties import write_properties


@click.command(
    cls=Command,
    examples=(
        ("By the default pack", "sidegate tenant create --tenant acme ann --email ann@acme.example"),
        ("By another pack", "sidegate tenant create --tenant globex gus --pack eformsign --set seats=5"),
    ),
)
@click.argument("founder")
@click.option("--pack", default="", shell_complete=complete_pack, help="The policy pack.  [default: the server's]")
@click.option("--name", "display_name", default="", help="The founder's name.")
@click.option("--email", default="", help="The founder's e-mail.")
@click.option("--phone", default="", help="The founder's mobile number.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting.")
@write_options
def create(session: Session, *, founder: str, pack: str, settings: tuple[str, ...], **details: str) -> None:
    """Create the tenant with its first member, FOUNDER.

    FOUNDER is a member's ID; the member holds the pack's first role.
    """
    request = pb.CreateTenantRequest(
        tenant_id=session.tenant,
        tenant=pb.Tenant(pack=pack, settings=write_properties(assignments(settings, example="seats=25"))),
        founder=pb.Founder(member_id=founder, **details),
        actor=session.actor,
        request_id=session.request_id,
    )
    answer: Any = session.call(TenantServiceStub, "CreateTenant", request)
    session.show(answer, f"made tenant {session.tenant}, and {founder} its {answer.tenant.roles[0]}")


@click.command(cls=Command, examples=(("Show it", "sidegate tenant show --tenant acme"),))
@read_options
def show(session: Session) -> None:
    """Show the tenant: its pack, settings, roles and seats.

    The first line says whether it is suspended.
    """
    answer = session.call(TenantServiceStub, "GetTenant", pb.GetTenantRequest(name=session.parent, actor=session.actor))
    found = answer.tenant
    settings = (f"{name}={json.dumps(value)}" for name, value in plain(found.settings).items())
    session.show(
        answer,
        f"{session.tenant}{', suspended' if found.state == pb.TENANT_STATE_SUSPENDED else ''}",
        f"  pack      {found.pack or 'the default'}",
        f"  settings  {', '.join(settings) or 'none'}",
        f"  roles     {', '.join(found.roles)}",
        f"  seats     {found.seats_taken} taken",
    )


@click.command(
    "set",
    cls=Command,
    examples=(
        ("Require a second factor", "sidegate tenant set --tenant acme require_mfa=true"),
        ("Remove a setting", "sidegate tenant set --tenant acme seats="),
    ),
)
@click.argument("settings", nargs=-1, required=True, metavar="NAME=VALUE...")
@write_options
def set_(session: Session, *, settings: tuple[str, ...]) -> None:
    """Set settings of the tenant, each as NAME=VALUE.

    A value is read as JSON where it is JSON, and as text otherwise. An empty value removes the setting.
    """
    given = assignments(settings, example="seats=25")
    request = pb.UpdateTenantRequest(
        tenant=pb.Tenant(
            name=session.parent,
            settings=write_properties({name: value for name, value in given.items() if value != ""}),
        ),
        actor=session.actor,
        request_id=session.request_id,
    )
    request.update_mask.paths.extend(f"settings.{name}" for name in given)
    session.show(
        session.call(TenantServiceStub, "UpdateTenant", request), f"set {', '.join(given)} of tenant {session.tenant}"
    )
