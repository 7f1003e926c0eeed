"""Members, altered and let go."""

from __future__ import annotations

from typing import Any

import click

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.authz.v1.membership_pb2_grpc import MembershipServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.session import Session, read_options, write_options

_KEEP = click.option("--keep-documents", is_flag=True, help="Its documents stay where they are.")
_TRANSFER = click.option("--transfer-to", default="", metavar="MEMBER", help="This member takes its documents.")
_DELETE = click.option("--delete-documents", is_flag=True, help="Its documents are deleted.")


@click.command(
    cls=Command,
    examples=(
        ("Correct a name", "sidegate member update --tenant acme uma --name 'Uma Thurn'"),
        ("Note that a second factor is set", "sidegate member update --tenant acme uma --mfa"),
    ),
)
@click.argument("member")
@click.option("--name", "display_name", help="The name for people.")
@click.option("--email", help="The e-mail.")
@click.option("--phone", help="The mobile number.")
@click.option("--mfa/--no-mfa", default=None, help="Whether the account has a second factor; the platform knows.")
@click.option("--etag", default="", help="Only if the member still looks as it did when this was read.")
@write_options
def update(session: Session, *, member: str, etag: str, **fields: Any) -> None:
    """Set fields of MEMBER."""
    given = {name: value for name, value in fields.items() if value is not None}
    if not given:
        raise click.UsageError("nothing to set: expected --name, --email, --phone, --mfa or --no-mfa")
    request = pb.UpdateMemberRequest(
        member=pb.Member(name=session.name("members", member), etag=etag, **given),
        actor=session.actor,
        request_id=session.request_id,
    )
    request.update_mask.paths.extend(given)
    session.show(session.call(MembershipServiceStub, "UpdateMember", request), f"{member} is updated")


@click.command(cls=Command, examples=(("Somebody signed in", "sidegate member seen --tenant acme uma"),))
@click.argument("member")
@read_options
def seen(session: Session, *, member: str) -> None:
    """Note that MEMBER was seen now."""
    request = pb.RecordAccessRequest(name=session.name("members", member))
    session.show(session.call(MembershipServiceStub, "RecordAccess", request), f"{member} was seen")


@click.command(
    cls=Command,
    examples=(
        ("Pause somebody", "sidegate member deactivate --tenant acme uma"),
        ("Somebody who leaves", "sidegate member deactivate --tenant acme uma --transfer-to ugo"),
    ),
)
@click.argument("member")
@_KEEP
@_TRANSFER
@_DELETE
@write_options
def deactivate(
    session: Session, *, member: str, transfer_to: str, keep_documents: bool, delete_documents: bool
) -> None:
    """Pause MEMBER, who keeps its roles.

    Who still holds documents is paused only if it is said what becomes of them.
    """
    request = pb.DeactivateMemberRequest(
        name=session.name("members", member),
        held_documents=_held(transfer_to, keep=keep_documents, delete=delete_documents),
        transfer_to=transfer_to,
        actor=session.actor,
        request_id=session.request_id,
    )
    answer = session.call(MembershipServiceStub, "DeactivateMember", request)
    taken = f", and {transfer_to} took {answer.documents} documents" if transfer_to else ""
    gone = f", and {answer.documents} documents are deleted" if delete_documents else ""
    session.show(answer, f"{member} is inactive{taken}{gone}")


@click.command(cls=Command, examples=(("Let somebody in again", "sidegate member activate --tenant acme uma"),))
@click.argument("member")
@write_options
def activate(session: Session, *, member: str) -> None:
    """Let the inactive MEMBER in again.

    It has the roles that it had.
    """
    request = pb.ActivateMemberRequest(
        name=session.name("members", member), actor=session.actor, request_id=session.request_id
    )
    session.show(session.call(MembershipServiceStub, "ActivateMember", request), f"{member} is active")


@click.command(
    cls=Command,
    examples=(
        ("See what would go, and get a token", "sidegate member delete --tenant acme uma"),
        ("Confirm it", "sidegate member delete --tenant acme uma --confirm TOKEN"),
        ("Both at once", "sidegate member delete --tenant acme uma --yes"),
    ),
)
@click.argument("member")
@click.option("--confirm", "token", default="", metavar="TOKEN", help="The token of the call before.")
@click.option("--yes", is_flag=True, help="Ask and confirm in one.")
@_TRANSFER
@_DELETE
@write_options
def delete(session: Session, *, member: str, token: str, yes: bool, **documents: Any) -> None:
    """Delete MEMBER with all it holds.

    The first call deletes nothing and returns a token; the second carries it. A deleted member can be invited again
    and has nothing left over.
    """
    heir = documents["transfer_to"]
    held = _held(heir, delete=documents["delete_documents"])

    def request(confirmation: str) -> pb.DeleteMemberRequest:
        return pb.DeleteMemberRequest(
            name=session.name("members", member),
            confirmation_token=confirmation,
            held_documents=held,
            transfer_to=heir,
            actor=session.actor,
            request_id=session.request_id if confirmation else "",
        )

    answer = session.call(MembershipServiceStub, "DeleteMember", request(token))
    if yes and not answer.deleted:
        answer = session.call(MembershipServiceStub, "DeleteMember", request(answer.confirmation_token))
    if answer.deleted:
        session.show(answer, f"{member} is deleted")
        return
    roles = ", ".join(answer.member.roles) or "none"
    session.show(
        answer,
        f"{member} would be deleted: roles {roles}; documents {answer.documents}",
        f"  confirm it within ten minutes: --confirm {answer.confirmation_token}",
    )


def _held(transfer_to: str, *, keep: bool = False, delete: bool = False) -> pb.HeldDocuments.ValueType:
    if keep + delete + bool(transfer_to) > 1:
        raise click.UsageError("--keep-documents, --transfer-to and --delete-documents exclude one another")
    if transfer_to:
        return pb.HELD_DOCUMENTS_TRANSFER
    if delete:
        return pb.HELD_DOCUMENTS_DELETE
    return pb.HELD_DOCUMENTS_KEEP if keep else pb.HELD_DOCUMENTS_UNSPECIFIED
