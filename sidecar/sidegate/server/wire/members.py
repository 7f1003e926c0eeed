"""Members on the wire: how requests of MembershipService are read, and how records are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import chain, islice
from typing import Final

from google.protobuf.duration_pb2 import Duration

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.errors import InvalidInput, Violation
from sidegate.membership.command.etags import etag_of
from sidegate.membership.invitation_files import from_csv, from_spreadsheet
from sidegate.membership.invitation_rows import MAX_INVITEES, Invitee, from_addresses
from sidegate.membership.invitations import DEFAULT_TTL, InviteOrder, InviteResult
from sidegate.membership.members import DocumentsChoice, Offboarding
from sidegate.model.entry import member_payload
from sidegate.model.facts import MemberStatus
from sidegate.model.page import MemberQuery, MemberRecord
from sidegate.server.calls.status import status_of
from sidegate.server.wire.names import MEMBERS, name_of
from sidegate.server.wire.timestamps import write_timestamp
from sidegate.server.wire.validation import Inspection

_MAX_TTL: Final = timedelta(days=90)
_STATES: Final = {
    pb.MEMBER_STATE_ACTIVE: MemberStatus.ACTIVE,
    pb.MEMBER_STATE_INACTIVE: MemberStatus.INACTIVE,
    pb.MEMBER_STATE_PENDING: MemberStatus.PENDING,
}
_CHOICES: Final = {
    pb.HELD_DOCUMENTS_UNSPECIFIED: DocumentsChoice.UNSPECIFIED,
    pb.HELD_DOCUMENTS_KEEP: DocumentsChoice.KEEP,
    pb.HELD_DOCUMENTS_TRANSFER: DocumentsChoice.TRANSFER,
    pb.HELD_DOCUMENTS_DELETE: DocumentsChoice.DELETE,
}


def write_member(tenant: str, record: MemberRecord, *, token: str = "") -> pb.Member:
    """Return a member as clients see it; `token` goes with its invitation."""
    member = record.member
    message = pb.Member(
        name=name_of(tenant, MEMBERS, member.id),
        display_name=member.name,
        email=member.email,
        phone=member.phone,
        state=next(state for state, status in _STATES.items() if status is member.status),
        mfa=member.mfa,
        quota=member.quota,
        roles=record.roles,
        groups=record.groups,
        create_time=write_timestamp(record.created_at),
        last_access_time=write_timestamp(record.last_access_at),
        etag=etag_of(member_payload(member)),
    )
    if record.invitation is not None:
        message.invitation.CopyFrom(
            pb.Invitation(expire_time=write_timestamp(record.invitation.expires_at), token=token)
        )
    return message


def write_result(tenant: str, result: InviteResult) -> pb.InvitationResult:
    """Return the result of a row; the invitation's ID is in the field of its token."""
    if result.record is not None and result.record.invitation is not None:
        member = write_member(tenant, result.record, token=result.record.invitation.id)
        return pb.InvitationResult(place=result.place, member=member)
    assert result.failure is not None
    return pb.InvitationResult(place=result.place, error=status_of(result.failure))


def read_invitation(message: pb.InviteMembersRequest) -> InviteOrder:
    """Return whom a request invites; of too many, one more than can be invited.

    Raises:
        InvalidInput: a table can't be read, or the time to live is not right.
    """
    ttl = read_ttl(message.ttl if message.HasField("ttl") else None)
    default = tuple(message.roles)
    rows = islice(chain.from_iterable(_forms(message)), MAX_INVITEES + 1)
    return InviteOrder([row if row.roles else replace(row, roles=default) for row in rows], message.partial, ttl)


def read_ttl(duration: Duration | None) -> timedelta:
    """Return how long an invitation can be accepted.

    Raises:
        InvalidInput: it is not positive, or longer than 90 days.
    """
    if duration is None:
        return DEFAULT_TTL
    seconds = duration.seconds + duration.nanos / 1e9
    if not 0 < seconds <= _MAX_TTL.total_seconds():
        raise InvalidInput(
            Violation("ttl", f"`{seconds:g}` seconds are not right: expected more than 0, up to 90 days")
        )
    return timedelta(seconds=seconds)


def read_query(message: pb.ListMembersRequest) -> MemberQuery:
    """Return which members a request asks for.

    Raises:
        InvalidInput: a condition is not right.
    """
    inspection = Inspection()
    for field in ("role", "group", "text"):
        inspection.label(field, getattr(message, field))
    if message.state not in (pb.MEMBER_STATE_UNSPECIFIED, *_STATES):
        inspection.add("state", f"`{message.state}` is no state")
    inspection.finish()
    return MemberQuery(_STATES.get(message.state), message.role, message.group, message.text)


def read_offboarding(member: str, message: pb.DeactivateMemberRequest | pb.DeleteMemberRequest) -> Offboarding:
    """Return which member leaves, and what happens to its documents.

    Raises:
        InvalidInput: the choice is not known, or a transfer names no new owner.
    """
    if message.held_documents not in _CHOICES:
        raise InvalidInput(Violation("held_documents", f"`{message.held_documents}` is no choice"))
    held = _CHOICES[message.held_documents]
    if (held is DocumentsChoice.TRANSFER) != bool(message.transfer_to):
        expected = "expected the ID of a member where documents are transferred, and nothing elsewhere"
        raise InvalidInput(Violation("transfer_to", expected))
    if message.transfer_to:
        inspection = Inspection()
        inspection.identifier("transfer_to", message.transfer_to)
        inspection.finish()
    return Offboarding(member, held, message.transfer_to)


def _forms(message: pb.InviteMembersRequest) -> Iterator[Iterator[Invitee]]:
    yield _rows(message)
    yield from_addresses(message.addresses)
    if message.csv:
        yield from_csv(message.csv)
    if message.spreadsheet:
        yield from_spreadsheet(message.spreadsheet, message.sheet)
    elif message.sheet:
        raise InvalidInput(Violation("sheet", "names a sheet of no spreadsheet: expected both, or neither"))


def _rows(message: pb.InviteMembersRequest) -> Iterator[Invitee]:
    for position, row in enumerate(message.invitees):
        yield Invitee(
            f"invitees[{position}]",
            email=row.email,
            phone=row.phone,
            account=row.account,
            name=row.display_name,
            roles=tuple(row.roles),
            groups=tuple(row.groups),
            id=row.member_id,
        )
