"""Invitations from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from google.protobuf.duration_pb2 import Duration

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.authz.v1.membership_pb2_grpc import MembershipServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.inputs import decoded_text, read_bytes
from sidegate.cli.shell.names import id_of
from sidegate.cli.shell.session import Session, write_options
from sidegate.spreadsheets.archive import is_spreadsheet

_DAYS = click.option(
    "--days", type=click.FloatRange(min=0, min_open=True), help="How many days it is valid.  [default: 7]"
)
_TOKEN = click.option("--token-only", is_flag=True, help="Print the tokens alone, one a line.")


@click.command(
    cls=Command,
    examples=(
        ("Two people", "sidegate member invite --tenant acme 'uma@acme.example; +628123456789'"),
        ("An administrator", "sidegate member invite --tenant acme tina@acme.example --role admin"),
        ("A spreadsheet, all of it or nothing", "sidegate member invite --tenant acme --file people.xlsx"),
        ("A CSV, with a result for each line", "sidegate member invite --tenant acme --file people.csv --partial"),
    ),
)
@click.argument("addresses", nargs=-1)
@click.option(
    "--file",
    "table",
    metavar="FILE",
    shell_complete=complete_file,
    help="A table, .xlsx or CSV; `sidegate member sheet` writes one.",
)
@click.option("--sheet", default="", metavar="NAME", help="The sheet, of an .xlsx file that has several.")
@click.option("--role", "roles", multiple=True, help="A role on the tenant, for rows that name none.")
@click.option("--partial", is_flag=True, help="Invite the rows that are right, and report the others.")
@click.option("--check", "validate_only", is_flag=True, help="Check everything, and invite nobody.")
@_DAYS
@_TOKEN
@write_options
def invite(session: Session, *, addresses: tuple[str, ...], table: str | None, **options: Any) -> None:
    """Invite people by e-mail, mobile number or account ID.

    ADDRESSES are several arguments, or one with semicolons between them. Unless --partial is given, all are
    invited or none. Each token goes to its person and works once.
    """
    token_only, days = options.pop("token_only"), options.pop("days")
    request = pb.InviteMembersRequest(
        parent=session.parent,
        addresses=";".join(addresses),
        **(_table(table) if table else {}),
        ttl=_ttl(days),
        actor=session.actor,
        request_id=session.request_id,
        **options,
    )
    answer = session.call(MembershipServiceStub, "InviteMembers", request)
    session.show(answer, *_results(answer, token_only=token_only, written=not request.validate_only))


@click.command(
    cls=Command,
    examples=(
        ("After a registration", "sidegate member accept --tenant acme --name Uma TOKEN"),
        ("After a sign-in", "sidegate member accept --tenant acme --account uma@acme.example TOKEN"),
    ),
)
@click.argument("token")
@click.option("--account", default="", help="The account that was signed in to; without it one was registered.")
@click.option("--name", "display_name", default="", help="The name of the registration.")
@click.option("--email", default="", help="The e-mail of the registration.")
@click.option("--phone", default="", help="The mobile number of the registration.")
@write_options
def accept(session: Session, *, token: str, account: str, **registration: str) -> None:
    """Accept an invitation by its TOKEN."""
    request = pb.AcceptInvitationRequest(parent=session.parent, token=token, request_id=session.request_id)
    if account:
        request.signed_in_account = account
    else:
        request.registration.CopyFrom(pb.Registration(**registration))
    answer = session.call(MembershipServiceStub, "AcceptInvitation", request)
    session.show(answer, f"{id_of(answer.member.name)} is active")


@click.command(cls=Command, examples=(("Send it again", "sidegate member resend --tenant acme uma@acme.example"),))
@click.argument("member")
@_DAYS
@_TOKEN
@write_options
def resend(session: Session, *, member: str, days: float | None, token_only: bool) -> None:
    """Make a new invitation for the pending MEMBER.

    The token of the old invitation no longer works.
    """
    request = pb.ResendInvitationRequest(
        name=session.name("members", member), ttl=_ttl(days), actor=session.actor, request_id=session.request_id
    )
    answer = session.call(MembershipServiceStub, "ResendInvitation", request)
    session.show(answer, *_invited(answer.member, token_only=token_only))


@click.command(cls=Command, examples=(("Withdraw it", "sidegate member cancel --tenant acme uma@acme.example"),))
@click.argument("member")
@write_options
def cancel(session: Session, *, member: str) -> None:
    """Withdraw the invitation of the pending MEMBER.

    The member is deleted, with the roles of the invitation.
    """
    request = pb.CancelInvitationRequest(
        name=session.name("members", member), actor=session.actor, request_id=session.request_id
    )
    session.show(
        session.call(MembershipServiceStub, "CancelInvitation", request), f"the invitation of {member} is withdrawn"
    )


def _table(path: str) -> dict[str, Any]:
    """Return the content of a file as the field of a request, which depends on the content and not on the name."""
    raw = read_bytes(path)
    return {"spreadsheet": raw} if is_spreadsheet(raw) else {"csv": decoded_text(raw, path)}


def _results(answer: Any, *, token_only: bool, written: bool) -> Iterator[str]:
    for result in answer.results:
        if result.WhichOneof("outcome") == "error":
            if not token_only:
                yield f"{result.place} is refused: {result.error.message}"
        elif written:
            yield from _invited(result.member, token_only=token_only)
        else:
            yield f"{id_of(result.member.name)} can be invited"


def _invited(member: pb.Member, *, token_only: bool) -> Iterator[str]:
    if token_only:
        yield member.invitation.token
        return
    until = member.invitation.expire_time.ToDatetime().strftime("%Y-%m-%d %H:%M")
    yield f"{id_of(member.name)} is invited until {until} UTC"
    yield f"  token {member.invitation.token}"


def _ttl(days: float | None) -> Duration | None:
    return None if days is None else Duration(seconds=round(days * 86_400))
