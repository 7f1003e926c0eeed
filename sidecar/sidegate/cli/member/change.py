"""Members: updated, deactivated and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.authz.v1 import resource_pb2
from sidegate.authz.v1.membership_pb2_grpc import MembershipServiceStub
from sidegate.authz.v1.resource_pb2_grpc import ResourceServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.confirmation import Confirmation, confirmation_option
from sidegate.cli.shell.names import id_of
from sidegate.cli.shell.session import Session, read_options, write_options

_KEEP = click.option("--keep-documents", is_flag=True, help="Its documents stay as they are.")
_TRANSFER = click.option("--transfer-to", default="", metavar="MEMBER", help="This member takes its documents.")
_DELETE = click.option("--delete-documents", is_flag=True, help="Its documents are deleted.")


@click.command(
    cls=Command,
    examples=(
        ("Correct a name", "sidegate member update --tenant acme uma --name 'Uma Thurn'"),
        ("Record a second factor", "sidegate member update --tenant acme uma --mfa"),
    ),
)
@click.argument("member")
@click.option("--name", "display_name", help="The display name.")
@click.option("--email", help="The e-mail.")
@click.option("--phone", help="The mobile number.")
@click.option(
    "--mfa/--no-mfa", default=None, help="Whether the account has a second factor; only the platform sets it."
)
@click.option("--etag", default="", help="Update only if the member has not changed since this was read.")
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
    """Record that MEMBER was seen now."""
    request = pb.RecordAccessRequest(name=session.name("members", member))
    session.show(session.call(MembershipServiceStub, "RecordAccess", request), f"{member} was seen")


@click.command(
    cls=Command,
    examples=(
        ("Deny somebody everything, and keep the roles", "sidegate member deactivate --tenant acme uma"),
        (
            "Hand over the documents of a member who leaves",
            "sidegate member deactivate --tenant acme uma --transfer-to ugo",
        ),
    ),
)
@click.argument("member")
@_KEEP
@_TRANSFER
@_DELETE
@confirmation_option
@write_options
def deactivate(session: Session, confirmation: Confirmation, *, member: str, **documents: Any) -> None:
    """Deactivate MEMBER, who keeps its roles and is denied everything.

    A member that holds documents is deactivated only with one of --keep-documents, --transfer-to and
    --delete-documents. With the last, and without --yes, a person is asked on the terminal.
    """
    transfer_to, delete = documents["transfer_to"], documents["delete_documents"]
    held = _held(transfer_to, keep=documents["keep_documents"], delete=delete)
    if delete:
        confirmation.require(f"delete the documents of `{member}`", _owned(session, member))
    request = pb.DeactivateMemberRequest(
        name=session.name("members", member),
        held_documents=held,
        transfer_to=transfer_to,
        actor=session.actor,
        request_id=session.request_id,
    )
    answer = session.call(MembershipServiceStub, "DeactivateMember", request)
    taken = f", and {transfer_to} took {answer.documents} documents" if transfer_to else ""
    deleted = f", and {answer.documents} documents are deleted" if delete else ""
    session.show(answer, f"{member} is inactive{taken}{deleted}")


@click.command(cls=Command, examples=(("Somebody is back", "sidegate member activate --tenant acme uma"),))
@click.argument("member")
@write_options
def activate(session: Session, *, member: str) -> None:
    """Activate the inactive MEMBER, with the roles it had.

    Its questions are decided as before.
    """
    request = pb.ActivateMemberRequest(
        name=session.name("members", member), actor=session.actor, request_id=session.request_id
    )
    session.show(session.call(MembershipServiceStub, "ActivateMember", request), f"{member} is active")


@click.command(
    cls=Command,
    examples=(
        ("Delete it, after a question", "sidegate member delete --tenant acme uma"),
        ("In a script", "sidegate member delete --tenant acme uma --yes"),
        ("In two calls: the first prints a token", "sidegate member delete --tenant acme uma --json"),
        ("", "sidegate member delete --tenant acme uma --confirm TOKEN"),
    ),
)
@click.argument("member")
@click.option("--confirm", "token", default="", metavar="TOKEN", help="The token of the call before.")
@_TRANSFER
@_DELETE
@confirmation_option
@write_options
def delete(session: Session, confirmation: Confirmation, *, member: str, token: str, **documents: Any) -> None:
    """Delete MEMBER with all roles it holds.

    Without --yes and --confirm a person is asked on the terminal; where there is none, nothing is deleted, and the
    token for a second call is printed. A deleted member can be invited again, and has none of its roles then.
    """
    transfer_to = documents["transfer_to"]
    held = _held(transfer_to, delete=documents["delete_documents"])

    def call(token: str) -> Any:
        request = pb.DeleteMemberRequest(
            name=session.name("members", member),
            confirmation_token=token,
            held_documents=held,
            transfer_to=transfer_to,
            actor=session.actor,
            request_id=session.request_id if token else "",
        )
        return session.call(MembershipServiceStub, "DeleteMember", request)

    def losses(answer: pb.DeleteMemberResponse) -> Iterator[str]:
        yield f"roles: {', '.join(answer.member.roles) or 'none'}"
        yield f"documents: {answer.documents}{f', which go to {transfer_to}' if transfer_to else ''}"

    action = f"delete member `{member}`"
    answer = confirmation.delete_by_token(session, call, token=token, action=action, losses=losses)
    session.show(answer, f"{member} is deleted")


def _owned(session: Session, member: str) -> Iterator[str]:
    """Yield the resources that a member owns."""
    request = resource_pb2.ListRegisteredResourcesRequest(
        parent=session.parent, owner=f"member:{member}", page_size=1000, actor=session.actor
    )
    owned = session.call(ResourceServiceStub, "ListRegisteredResources", request).resources
    yield from (f"it owns {id_of(resource.name)}" for resource in owned)


def _held(transfer_to: str, *, keep: bool = False, delete: bool = False) -> pb.HeldDocuments.ValueType:
    if keep + delete + bool(transfer_to) > 1:
        raise click.UsageError("--keep-documents, --transfer-to and --delete-documents exclude one another")
    if transfer_to:
        return pb.HELD_DOCUMENTS_TRANSFER
    if delete:
        return pb.HELD_DOCUMENTS_DELETE
    return pb.HELD_DOCUMENTS_KEEP if keep else pb.HELD_DOCUMENTS_UNSPECIFIED
