"""MembershipService, whatever transport carries it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.errors import InvalidInput, Violation
from sidegate.membership.invitations import Acceptance, Invitations, InviteOrder
from sidegate.membership.members import Members, MemberUpdate, Offboarded
from sidegate.model.facts import Member
from sidegate.model.reference import ref
from sidegate.server.handlers.calls import mask_paths, read_call, write_call
from sidegate.server.handlers.writes import Writes
from sidegate.server.wire.members import (
    read_invitation,
    read_offboarding,
    read_query,
    read_ttl,
    write_member,
    write_result,
)
from sidegate.server.wire.names import MEMBERS, ids_of, tenant_of
from sidegate.server.wire.timestamps import read_timestamp
from sidegate.server.wire.tokens.confirmations import Confirmations
from sidegate.server.wire.tokens.pages import PageTokens
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals
from sidegate.server.wire.validation import Inspection

_FIELDS: Final = {"display_name": "name", "email": "email", "phone": "phone", "mfa": "mfa"}
_INVITATION: Final = "invitation"


class MemberHandler:
    """Reads and writes members; errors are Sidegate's own; the transport maps them."""

    def __init__(
        self,
        members: Members,
        invitations: Invitations,
        tokens: RevisionTokens,
        seals: Seals,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._members = members
        self._invitations = invitations
        self._tokens = tokens
        self._writes = Writes(tokens)
        self._seals = seals
        self._pages = PageTokens(seals)
        self._confirmations = Confirmations(seals, clock=clock)
        self._clock = clock
        # One thread reads all tables, so that a hostile table delays other tables only, and never the event loop.
        self._tables = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tables")

    async def invite_members(self, message: pb.InviteMembersRequest) -> pb.InviteMembersResponse:
        """Invite one or many.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent")
        order = await self._read(message)
        answer = await self._writes.run(
            tenant,
            write_call(message, validate_only=message.validate_only),
            kind=pb.InviteMembersResponse,
            use_case=lambda call: self._invitations.invite(tenant, order, call),
            respond=lambda results: pb.InviteMembersResponse(results=[write_result(tenant, one) for one in results]),
        )
        for result in answer.results:
            if result.HasField("member"):
                self._hand_out(tenant, result.member, valid=not message.validate_only)
        return answer

    async def accept_invitation(self, message: pb.AcceptInvitationRequest) -> pb.AcceptInvitationResponse:
        """Accept an invitation.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent")
        of, member, invitation = self._seals.open(_INVITATION, message.token, field="token")
        if of != tenant:
            raise InvalidInput(Violation("token", f"is not right: expected one of `{message.parent}`"))
        return await self._writes.run(
            tenant,
            write_call(message, actor=ref("member", member)),
            kind=pb.AcceptInvitationResponse,
            use_case=lambda call: self._invitations.accept(tenant, _acceptance(message, member, invitation), call),
            respond=lambda record: pb.AcceptInvitationResponse(member=write_member(tenant, record)),
        )

    async def resend_invitation(self, message: pb.ResendInvitationRequest) -> pb.ResendInvitationResponse:
        """Make a new invitation for a pending member.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name")
        answer = await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.ResendInvitationResponse,
            use_case=lambda call: self._invitations.resend(
                tenant, member, call, ttl=read_ttl(message.ttl if message.HasField("ttl") else None)
            ),
            respond=lambda record: pb.ResendInvitationResponse(
                member=write_member(tenant, record, token=record.invitation.id if record.invitation else "")
            ),
        )
        self._hand_out(tenant, answer.member)
        return answer

    async def cancel_invitation(self, message: pb.CancelInvitationRequest) -> pb.CancelInvitationResponse:
        """Withdraw an invitation.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name", stored=True)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.CancelInvitationResponse,
            use_case=lambda call: self._invitations.cancel(tenant, member, call),
            respond=lambda _: pb.CancelInvitationResponse(),
        )

    async def get_member(self, message: pb.GetMemberRequest) -> pb.GetMemberResponse:
        """Return a member.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is none of this name.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name", stored=True)
        found = await self._members.get(tenant, member, read_call(message))
        return pb.GetMemberResponse(member=write_member(tenant, found))

    async def list_members(self, message: pb.ListMembersRequest) -> pb.ListMembersResponse:
        """Return a page of members.

        Raises:
            InvalidInput: a condition or the page's token is wrong.
            NotPermitted: the tenant's pack denies it.
            NotFound: there is no such tenant.
        """
        tenant = tenant_of(message.parent, "parent", stored=True)
        query, page = read_query(message), self._pages.open(message)
        found = await self._members.list(tenant, query, read_call(message), after=page.after, limit=page.limit)
        records, token = self._pages.cut(page, found, lambda record: record.member.id)
        return pb.ListMembersResponse(members=[write_member(tenant, one) for one in records], next_page_token=token)

    async def update_member(self, message: pb.UpdateMemberRequest) -> pb.UpdateMemberResponse:
        """Set fields of a member.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, id_ = ids_of(message.member.name, MEMBERS, "member.name")
        expected = f"some of {', '.join(f'`{name}`' for name in _FIELDS)}"
        paths = mask_paths(message, known=lambda path: path in _FIELDS, expected=expected)
        inspection = Inspection()
        inspection.label("member.display_name", message.member.display_name)
        inspection.finish()
        given = message.member
        member = Member(id_, name=given.display_name, email=given.email, phone=given.phone, mfa=given.mfa)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.UpdateMemberResponse,
            use_case=lambda call: self._members.update(
                tenant, MemberUpdate(member, frozenset(_FIELDS[path] for path in paths), etag=given.etag), call
            ),
            respond=lambda record: pb.UpdateMemberResponse(member=write_member(tenant, record)),
        )

    async def record_access(self, message: pb.RecordAccessRequest) -> pb.RecordAccessResponse:
        """Record when a member was seen.

        Raises:
            NotFound: there is none of this name.
            InvalidInput: the time is none.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name")
        inspection = Inspection()
        given = message.HasField("access_time")
        at = read_timestamp(message.access_time, "access_time", inspection) if given else None
        inspection.finish()
        await self._members.record_access(tenant, member, at or self._clock())
        return pb.RecordAccessResponse()

    async def deactivate_member(self, message: pb.DeactivateMemberRequest) -> pb.DeactivateMemberResponse:
        """Deactivate an active member.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name", stored=True)

        def respond(offboarded: Offboarded) -> pb.DeactivateMemberResponse:
            assert offboarded.record is not None
            return pb.DeactivateMemberResponse(
                member=write_member(tenant, offboarded.record), documents=offboarded.documents
            )

        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.DeactivateMemberResponse,
            use_case=lambda call: self._members.deactivate(tenant, read_offboarding(member, message), call),
            respond=respond,
        )

    async def activate_member(self, message: pb.ActivateMemberRequest) -> pb.ActivateMemberResponse:
        """Activate an inactive member.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.ActivateMemberResponse,
            use_case=lambda call: self._members.activate(tenant, member, call),
            respond=lambda record: pb.ActivateMemberResponse(member=write_member(tenant, record)),
        )

    async def delete_member(self, message: pb.DeleteMemberRequest) -> pb.DeleteMemberResponse:
        """Request a deletion, or confirm it.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name", stored=True)

        def respond(offboarded: Offboarded) -> pb.DeleteMemberResponse:
            if offboarded.record is None:
                return pb.DeleteMemberResponse(deleted=True, documents=offboarded.documents)
            token = self._confirmations.token(message.name, offboarded.etag)
            shown = write_member(tenant, offboarded.record)
            return pb.DeleteMemberResponse(confirmation_token=token, member=shown, documents=offboarded.documents)

        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.DeleteMemberResponse,
            use_case=lambda call: self._members.delete(
                tenant, read_offboarding(member, message), call, confirmed=self._confirmations.etag(message)
            ),
            respond=respond,
        )

    async def _read(self, message: pb.InviteMembersRequest) -> InviteOrder:
        if not (message.csv or message.spreadsheet):
            return read_invitation(message)
        return await asyncio.get_running_loop().run_in_executor(self._tables, read_invitation, message)

    def _hand_out(self, tenant: str, member: pb.Member, *, valid: bool = True) -> None:
        """Replace the invitation's ID with its token, so that the store never has the token."""
        _, id_ = ids_of(member.name, MEMBERS, "name")
        token = self._seals.seal(_INVITATION, tenant, id_, member.invitation.token)
        member.invitation.token = token if valid else ""


def _acceptance(message: pb.AcceptInvitationRequest, member: str, invitation: str) -> Acceptance:
    inspection = Inspection()
    if message.WhichOneof("account") is None:
        inspection.add("account", "is not there: expected `registration` or `signed_in_account`")
    if message.WhichOneof("account") == "signed_in_account":
        inspection.identifier("signed_in_account", message.signed_in_account)
    registration = message.registration
    inspection.label("registration.display_name", registration.display_name)
    inspection.finish()
    return Acceptance(
        member,
        invitation,
        account=message.signed_in_account,
        name=registration.display_name,
        email=registration.email,
        phone=registration.phone,
    )
