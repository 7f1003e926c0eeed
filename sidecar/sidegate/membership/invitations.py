"""Invitations: one by one or in bulk, accepted once, sent again, withdrawn (EL-08, EL-10, EL-14, EF-11 to EF-14)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sidegate.errors import (
    AlreadyExists,
    InvalidInput,
    NotPermitted,
    NotPossible,
    SeatsTaken,
    SidegateError,
    Violation,
    WrongState,
)
from sidegate.membership.command.members import (
    member_of,
    put_member,
    records_of,
    require_seats,
    require_unique,
    take_out,
)
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.membership.command.step import Caller, CommandContext
from sidegate.membership.grant_rules import give_roles, put_into_groups
from sidegate.membership.invitation_rows import (
    ACCOUNT_ID,
    MAX_INVITEES,
    Invitee,
    checked,
    require_email,
    require_phone,
)
from sidegate.model.change import EntryKind
from sidegate.model.entry import EntryKey
from sidegate.model.facts import Member, MemberStatus
from sidegate.model.page import Invitation, MemberRecord, Relation
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import Operation
from sidegate.runtime.time_slices import in_time_slices

DEFAULT_TTL: Final = timedelta(days=7)
_ROW_FAILURES = (InvalidInput, NotPermitted, AlreadyExists, NotPossible)
"""What is wrong with one row, while others may be right."""


@dataclass(frozen=True, slots=True)
class InviteOrder:
    """Whom to invite; `each` gives a result per row, else all are invited or none. `ttl` bounds the acceptance."""

    invitees: Sequence[Invitee]
    each: bool = False
    ttl: timedelta = DEFAULT_TTL


@dataclass(frozen=True, slots=True)
class InviteResult:
    """What became of one row: a pending member with its invitation, or the failure."""

    place: str
    record: MemberRecord | None = None
    failure: SidegateError | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepts: with the account they signed in to, or with details of the account they registered."""

    member: str
    invitation: str
    account: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""


class Invitations:
    """The use cases of invitations."""

    def __init__(
        self,
        commander: CommandRunner,
        *,
        account_id: str = ACCOUNT_ID,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._commander = commander
        self._account_id = account_id
        self._clock = clock

    async def invite(
        self, tenant: str, order: InviteOrder, caller: Caller, respond: Callable[[Sequence[InviteResult]], bytes]
    ) -> Written:
        """Invite several at once.

        Raises:
            InvalidInput: rows are wrong; names each of them, and nothing was written.
            NotPermitted: the pack denies it, or a role that a row gives.
            SeatsTaken: there are fewer seats.
        """

        async def plan(step: CommandContext) -> Sequence[InviteResult]:
            await step.ask(Operation.INVITE_MEMBER)
            if not 0 < len(order.invitees) <= MAX_INVITEES:
                found = f"more than {MAX_INVITEES} rows" if order.invitees else "no rows"
                raise InvalidInput(Violation("invitees", f"has {found}: expected 1 to {MAX_INVITEES}"))
            await _read_ahead(step, order.invitees, self._account_id)
            mark = step.draft.mark()
            results = [await self._row(step, invitee, order) async for invitee in in_time_slices(order.invitees)]
            failures = [result for result in results if result.failure is not None]
            if failures and not order.each:
                if all(isinstance(result.failure, SeatsTaken) for result in failures):
                    step.draft.undo(mark)
                    await require_seats(step, len(order.invitees))
                raise _together(failures)
            return results

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def accept(
        self, tenant: str, acceptance: Acceptance, caller: Caller, respond: Callable[[MemberRecord], bytes]
    ) -> Written:
        """Make a pending member active; the invitation works once (EL-14).

        Raises:
            WrongState: the invitation is used, withdrawn, replaced or expired.
            NotPermitted: it is for another account.
            AlreadyExists: another member has the e-mail or phone number.
        """

        async def plan(step: CommandContext) -> MemberRecord:
            invited = await self._invited(step, acceptance)
            if acceptance.account:
                _require_account(invited, acceptance.account)
            else:
                invited = _registered(invited, acceptance)
                await require_unique(step, invited)
            put_member(step, replace(invited, status=MemberStatus.ACTIVE))
            step.draft.remove(EntryKind.INVITATION, invited.id)
            return replace((await records_of(step, [invited.id]))[invited.id], invitation=None)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def resend(
        self, tenant: str, member: str, caller: Caller, *, ttl: timedelta, respond: Callable[[MemberRecord], bytes]
    ) -> Written:
        """Make a new invitation for a pending member; the old one ends.

        Raises:
            NotPermitted: the pack denies it.
            WrongState: the member is not pending.
        """

        async def plan(step: CommandContext) -> MemberRecord:
            await step.ask(Operation.INVITE_MEMBER)
            await _pending(step, member)
            invitation = await self._put_invitation(step, member, ttl)
            return replace((await records_of(step, [member]))[member], invitation=invitation)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def cancel(self, tenant: str, member: str, caller: Caller, respond: Callable[[None], bytes]) -> Written:
        """Withdraw the invitation of a pending member, who is gone then.

        Raises:
            NotPermitted: the pack denies it.
            WrongState: the member is not pending.
        """

        async def plan(step: CommandContext) -> None:
            await step.ask(Operation.INVITE_MEMBER)
            await _pending(step, member)
            await take_out(step, member)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def _row(self, step: CommandContext, invitee: Invitee, order: InviteOrder) -> InviteResult:
        mark = step.draft.mark()
        try:
            return InviteResult(invitee.place, await self._invite(step, checked(invitee, self._account_id), order.ttl))
        except _ROW_FAILURES as error:
            step.draft.undo(mark)
            return InviteResult(invitee.place, failure=error)

    async def _invite(self, step: CommandContext, invitee: Invitee, ttl: timedelta) -> MemberRecord:
        id_ = invitee.member
        if await step.draft.entry(EntryKind.MEMBER, id_) is not None:
            raise AlreadyExists(f"there is a member `{id_}` already")
        member = Member(id_, MemberStatus.PENDING, name=invitee.name, email=invitee.email, phone=invitee.phone)
        await require_unique(step, member)
        await require_seats(step)
        put_member(step, member)
        invitation = await self._put_invitation(step, id_, ttl)
        await give_roles(step, id_, invitee.roles, field=f"{invitee.place}.roles")
        await put_into_groups(step, id_, invitee.groups, field=f"{invitee.place}.groups")
        roles, groups = tuple(sorted(set(invitee.roles))), tuple(sorted(set(invitee.groups)))
        return MemberRecord(member, roles=roles, groups=groups, invitation=invitation)

    async def _put_invitation(self, step: CommandContext, member: str, ttl: timedelta) -> Invitation:
        invitation = Invitation(secrets.token_hex(16), self._clock() + ttl)
        await step.draft.load([(EntryKind.INVITATION, (member,))])
        payload = {"id": invitation.id, "expires_at": invitation.expires_at.isoformat()}
        step.draft.put(EntryKind.INVITATION, member, payload=payload)
        return invitation

    async def _invited(self, step: CommandContext, acceptance: Acceptance) -> Member:
        stored = await step.draft.entry(EntryKind.INVITATION, acceptance.member)
        if stored is None or stored["id"] != acceptance.invitation:
            raise WrongState("the invitation was used, withdrawn or replaced by a newer one")
        if datetime.fromisoformat(stored["expires_at"]) <= self._clock():
            raise WrongState(f"the invitation expired at {stored['expires_at']}: ask for a new one")
        return await _pending(step, acceptance.member)


async def _read_ahead(step: CommandContext, invitees: Sequence[Invitee], account_id: str) -> None:
    """Read at once what the rows will ask for one by one; a row that is wrong is told so in its turn."""
    made = [row for invitee in invitees if (row := _or_none(invitee, account_id)) is not None]
    keys: list[EntryKey] = [(kind, (row.member,)) for row in made for kind in (EntryKind.MEMBER, EntryKind.INVITATION)]
    keys += [(EntryKind.GRANT, (role, step.scope, ref("member", row.member))) for row in made for role in row.roles]
    await step.draft.load(keys)
    await step.draft.related(Relation.EMAIL, *(row.email.casefold() for row in made if row.email))
    await step.draft.related(Relation.PHONE, *(row.phone for row in made if row.phone))


def _or_none(invitee: Invitee, account_id: str) -> Invitee | None:
    try:
        return checked(invitee, account_id)
    except InvalidInput:
        return None


async def _pending(step: CommandContext, id_: str) -> Member:
    member = await member_of(step, id_)
    if member.status is not MemberStatus.PENDING:
        raise WrongState(f"member `{id_}` is {member.status.value}: expected an invited one, who is pending")
    return member


def _require_account(invited: Member, account: str) -> None:
    own = {invited.id.casefold(), invited.email.casefold(), invited.phone} - {""}
    if account.casefold() not in own:
        raise NotPermitted("the invitation is for another account", why="invitation_of_another")


def _registered(invited: Member, acceptance: Acceptance) -> Member:
    """Return the member with what the registration told; it fills in and never takes away."""
    found = [
        *require_email(acceptance.email, "registration.email"),
        *require_phone(acceptance.phone, "registration.phone"),
    ]
    if found:
        raise InvalidInput(*found)
    return replace(
        invited,
        name=acceptance.name or invited.name,
        email=acceptance.email or invited.email,
        phone=acceptance.phone or invited.phone,
    )


def _together(failures: Sequence[InviteResult]) -> SidegateError:
    """Return one error for all rows that failed: the first of their common kind, else what is wrong with each."""
    errors = [(result.place, result.failure) for result in failures if result.failure is not None]
    kinds = {type(error) for _, error in errors}
    if len(kinds) == 1 and kinds != {InvalidInput} and (len(errors) == 1 or not kinds & {AlreadyExists}):
        return errors[0][1]
    found: list[Violation] = []
    for place, error in errors:
        found += error.violations if isinstance(error, InvalidInput) else [Violation(place, str(error))]
    return InvalidInput(*found)
