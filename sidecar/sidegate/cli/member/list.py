"""Lists and shows members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.authz.v1.membership_pb2_grpc import MembershipServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import console, print_table
from sidegate.cli.shell.names import id_of
from sidegate.cli.shell.session import Session, page_options, read_options

STATES = ("active", "inactive", "pending")
_HEADERS = ("member", "name", "e-mail", "status", "2FA", "roles", "last access", "created")


@click.command(
    "list",
    cls=Command,
    examples=(
        ("All of them", "sidegate member list --tenant acme"),
        ("Those who are invited", "sidegate member list --tenant acme --status pending"),
        ("Those with a role", "sidegate member list --tenant acme --role admin --json"),
    ),
)
@click.option("--status", type=click.Choice(STATES), help="Members in this state.")
@click.option("--role", default="", help="Members with this role on the tenant.")
@click.option("--group", default="", help="Members of this group.")
@click.option("--text", default="", help="Members with this text in ID, name, e-mail or mobile number.")
@page_options
@read_options
def list_(session: Session, *, status: str | None, limit: int, **filters: Any) -> None:
    """List the members of the tenant.

    A member must match every filter that is given.
    """
    state = pb.MemberState.Value(f"MEMBER_STATE_{status.upper()}") if status else pb.MEMBER_STATE_UNSPECIFIED
    request = pb.ListMembersRequest(parent=session.parent, state=state, page_size=limit, actor=session.actor, **filters)
    answer = session.call(MembershipServiceStub, "ListMembers", request)
    if session.as_json:
        session.show(answer)
        return
    print_table(console(), _HEADERS, [_row(member) for member in answer.members])
    if answer.next_page_token:
        click.echo(f"\nThere are more: --page {answer.next_page_token}")


@click.command(cls=Command, examples=(("Show a member", "sidegate member show --tenant acme uma"),))
@click.argument("member")
@read_options
def show(session: Session, *, member: str) -> None:
    """Show MEMBER."""
    request = pb.GetMemberRequest(name=session.name("members", member), actor=session.actor)
    answer = session.call(MembershipServiceStub, "GetMember", request)
    session.show(answer, member, *_lines(answer.member))


def _lines(member: pb.Member) -> Iterator[str]:
    shown = {
        "name": member.display_name,
        "e-mail": member.email,
        "phone": member.phone,
        "status": _state(member),
        "2FA": "yes" if member.mfa else "no",
        "roles": ", ".join(member.roles),
        "groups": ", ".join(member.groups),
        "quota": str(member.quota) if member.HasField("quota") else "",
        "last access": _day(member, "last_access_time"),
        "created": _day(member, "create_time"),
    }
    yield from (f"  {name:<12}{value}" for name, value in shown.items() if value)


def member_cells(member: pb.Member) -> tuple[str, ...]:
    """Return the row of a member in a report: ID, name, addresses, state, quota, roles, groups and times."""
    id_, name, email, state, mfa, roles, seen, made = _row(member)
    quota = str(member.quota) if member.HasField("quota") else ""
    return (id_, name, email, member.phone, state, mfa, quota, roles, ", ".join(member.groups), seen, made)


def _row(member: pb.Member) -> tuple[str, ...]:
    return (
        id_of(member.name),
        member.display_name,
        member.email,
        _state(member),
        "yes" if member.mfa else "no",
        ", ".join(member.roles),
        _day(member, "last_access_time"),
        _day(member, "create_time"),
    )


def _state(member: pb.Member) -> str:
    return pb.MemberState.Name(member.state).removeprefix("MEMBER_STATE_").lower()


def _day(member: Any, field: str) -> str:
    if not member.HasField(field):
        return ""
    timestamp: Timestamp = getattr(member, field)
    return timestamp.ToDatetime().strftime("%Y-%m-%d %H:%M")
