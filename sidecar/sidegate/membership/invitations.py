"""Invitations: one by one or in bulk, accepted once, sent again, withdrawn (EL-08, EL-10, EL-14, EF-11 to EF-14)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
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
from sidegate.facts.entry_fault import EntryFault
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.members import (
    member_of,
    put_member,
    records_of,
    remove_member,
    require_seats,
    require_unique,
)
from sidegate.membership.command.request_fields import FieldOf
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.membership.grant_rules import add_to_groups, grant_roles
from sidegate.membership.invitation_rows import (
    MAX_INVITEES,
    Invitee,
    normalized,
    require_email,
    require_phone,
)
from sidegate.model.change import EntryKind
from sidegate.model.entry import EntryKey
from sidegate.model.facts import Member, MemberStatus
from sidegate.model.identifiers import ACCOUNT_ID
from sidegate.model.page import Invitation, MemberRecord, Relation
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import Operation
from sidegate.runtime.time_slices import in_time_slices

DEFAULT_TTL: Final = timedelta(days=7)
_ROW_FAILURES = (InvalidInput, NotPermitted, AlreadyExists, NotPossible)
"""Errors of one row, while other rows may be right."""


@dataclass(frozen=True, slots=True)
class InviteOrder:
    """Whom to invite; `each` gives a result per row, else all are invited or none. `ttl` bounds the acceptance."""

    invitees: Sequence[Invitee]
    each: bool = False
    ttl: timedelta = DEFAULT_TTL


@dataclass(frozen=True, slots=True)
class InviteResult:
    """The result of one row: a pending member with its invitation, or the error."""

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


@dataclass(frozen=True, slots=True)
class _Row:
    """An invitee with addresses as they are stored, or as given and the error of its row."""

    invitee: Invitee
    failure: InvalidInput | None = None


class Invitations:
    """The use cases of invitations."""

    def __init__(
        self,
        commands: CommandRunner,
        *,
        account_id: str = ACCOUNT_ID,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._commands = commands
        self._account_id = account_id
        self._clock = clock

    async def invite(self, tenant: str, order: InviteOrder, call: Call) -> Written[Sequence[InviteResult]]:
        """Invite several members in one command.

        Raises:
            InvalidInput: rows are wrong; names each of them, and nothing was written.
            NotPermitted: the pack denies it, or a role that a row gives.
            SeatsTaken: there are fewer seats.
        """

        async def plan(context: CommandContext) -> Sequence[InviteResult]:
            await context.ask(Operation.INVITE_MEMBER)
            if not 0 < len(order.invitees) <= MAX_INVITEES:
                found = f"more than {MAX_INVITEES} rows" if order.invitees else "no rows"
                raise InvalidInput(Violation("invitees", f"has {found}: expected 1 to {MAX_INVITEES}"))
            rows = [_row(invitee, self._account_id) async for invitee in in_time_slices(order.invitees)]
            await _read_ahead(context, [row.invitee for row in rows if row.failure is None])
            savepoint = context.draft.savepoint()
            results = [await self._invited_row(context, row, order) async for row in in_time_slices(rows)]
            failures = [result for result in results if result.failure is not None]
            if failures and not order.each:
                if all(isinstance(result.failure, SeatsTaken) for result in failures):
                    context.draft.roll_back(savepoint)
                    await require_seats(context, len(order.invitees))
                raise _combined(failures)
            return results

        return await self._commands.run(tenant, call, plan=plan, field_of=_rows_field(order.invitees, self._account_id))

    async def accept(self, tenant: str, acceptance: Acceptance, call: Call) -> Written[MemberRecord]:
        """Make a pending member active; the invitation works once (EL-14).

        Raises:
            WrongState: the invitation is used, withdrawn, replaced or expired.
            NotPermitted: it is for another account.
            AlreadyExists: another member has the e-mail or phone number.
        """

        async def plan(context: CommandContext) -> MemberRecord:
            invited = await self._invited(context, acceptance)
            if acceptance.account:
                _require_account(invited, acceptance.account)
            else:
                invited = _registered(invited, acceptance)
                await require_unique(context, invited)
            put_member(context, replace(invited, status=MemberStatus.ACTIVE))
            context.draft.remove(EntryKind.INVITATION, invited.id)
            return replace((await records_of(context, [invited.id]))[invited.id], invitation=None)

        return await self._commands.run(tenant, call, plan=plan, field_of=_registration_field)

    async def resend(self, tenant: str, member: str, call: Call, *, ttl: timedelta) -> Written[MemberRecord]:
        """Make a new invitation for a pending member; the old one ends.

        Raises:
            NotPermitted: the pack denies it.
            WrongState: the member is not pending.
        """

        async def plan(context: CommandContext) -> MemberRecord:
            await context.ask(Operation.INVITE_MEMBER)
            await _pending(context, member)
            invitation = await self._put_invitation(context, member, ttl)
            return replace((await records_of(context, [member]))[member], invitation=invitation)

        return await self._commands.run(tenant, call, plan=plan)

    async def cancel(self, tenant: str, member: str, call: Call) -> Written[None]:
        """Withdraw the invitation of a pending member, which deletes the member.

        Raises:
            NotPermitted: the pack denies it.
            WrongState: the member is not pending.
        """

        async def plan(context: CommandContext) -> None:
            await context.ask(Operation.INVITE_MEMBER)
            await _pending(context, member)
            await remove_member(context, member)

        return await self._commands.run(tenant, call, plan=plan)

    async def _invited_row(self, context: CommandContext, row: _Row, order: InviteOrder) -> InviteResult:
        if row.failure is not None:
            return InviteResult(row.invitee.place, failure=row.failure)
        savepoint = context.draft.savepoint()
        try:
            return InviteResult(row.invitee.place, await self._invite(context, row.invitee, order.ttl))
        except _ROW_FAILURES as error:
            context.draft.roll_back(savepoint)
            return InviteResult(row.invitee.place, failure=error)

    async def _invite(self, context: CommandContext, invitee: Invitee, ttl: timedelta) -> MemberRecord:
        id_ = invitee.member
        if await context.draft.entry(EntryKind.MEMBER, id_) is not None:
            raise AlreadyExists(f"there is a member `{id_}` already")
        member = Member(id_, MemberStatus.PENDING, name=invitee.name, email=invitee.email, phone=invitee.phone)
        await require_unique(context, member)
        await require_seats(context)
        put_member(context, member)
        invitation = await self._put_invitation(context, id_, ttl)
        await grant_roles(context, id_, invitee.roles, field=f"{invitee.place}.roles")
        await add_to_groups(context, id_, invitee.groups, field=f"{invitee.place}.groups")
        roles, groups = tuple(sorted(set(invitee.roles))), tuple(sorted(set(invitee.groups)))
        return MemberRecord(member, roles=roles, groups=groups, invitation=invitation)

    async def _put_invitation(self, context: CommandContext, member: str, ttl: timedelta) -> Invitation:
        invitation = Invitation(secrets.token_hex(16), self._clock() + ttl)
        await context.draft.load([(EntryKind.INVITATION, (member,))])
        payload = {"id": invitation.id, "expires_at": invitation.expires_at.isoformat()}
        context.draft.put(EntryKind.INVITATION, member, payload=payload)
        return invitation

    async def _invited(self, context: CommandContext, acceptance: Acceptance) -> Member:
        stored = await context.draft.entry(EntryKind.INVITATION, acceptance.member)
        if stored is None or stored["id"] != acceptance.invitation:
            raise WrongState("the invitation was used, withdrawn or replaced by a newer one")
        if datetime.fromisoformat(stored["expires_at"]) <= self._clock():
            raise WrongState(f"the invitation expired at {stored['expires_at']}: ask for a new one")
        return await _pending(context, acceptance.member)


async def _read_ahead(context: CommandContext, made: Sequence[Invitee]) -> None:
    """Read together what the rows will read one by one."""
    keys: list[EntryKey] = [(kind, (row.member,)) for row in made for kind in (EntryKind.MEMBER, EntryKind.INVITATION)]
    keys += [(EntryKind.GRANT, (role, context.scope, ref("member", row.member))) for row in made for role in row.roles]
    await context.draft.load(keys)
    await context.draft.related(Relation.EMAIL, *(row.email.casefold() for row in made if row.email))
    await context.draft.related(Relation.PHONE, *(row.phone for row in made if row.phone))


def _row(invitee: Invitee, account_id: str) -> _Row:
    try:
        return _Row(normalized(invitee, account_id))
    except InvalidInput as error:
        return _Row(invitee, error)


async def _pending(context: CommandContext, id_: str) -> Member:
    member = await member_of(context, id_)
    if member.status is not MemberStatus.PENDING:
        raise WrongState(f"member `{id_}` is {member.status.value}: expected an invited one, who is pending")
    return member


def _require_account(invited: Member, account: str) -> None:
    own = {invited.id.casefold(), invited.email.casefold(), invited.phone} - {""}
    if account.casefold() not in own:
        raise NotPermitted("the invitation is for another account", why="invitation_of_another")


def _registered(invited: Member, acceptance: Acceptance) -> Member:
    """Return the member with the details of the registration, which replace details but never remove them."""
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


def _combined(failures: Sequence[InviteResult]) -> SidegateError:
    """Return one error for all failed rows: the first one if all are of its kind, else what is wrong with each."""
    errors = [(result.place, result.failure) for result in failures if result.failure is not None]
    kinds = {type(error) for _, error in errors}
    if len(kinds) == 1 and kinds != {InvalidInput} and (len(errors) == 1 or not kinds & {AlreadyExists}):
        return errors[0][1]
    found: list[Violation] = []
    for place, error in errors:
        found += error.violations if isinstance(error, InvalidInput) else [Violation(place, str(error))]
    return InvalidInput(*found)


def _rows_field(invitees: Sequence[Invitee], account_id: str) -> FieldOf:
    """Return a function that names the row, and the part of it, that an entry comes from."""

    @cache
    def places() -> Mapping[str, str]:
        rows = (_row(invitee, account_id) for invitee in reversed(invitees))
        return {row.invitee.member: row.invitee.place for row in rows if row.failure is None}

    def field_of(fault: EntryFault) -> str:
        member = fault.key[0] if fault.entity is EntryKind.MEMBER else split_ref(fault.key[-1])[1]
        place = places().get(member, "invitees")
        part = {EntryKind.GRANT: "roles", EntryKind.GROUP_MEMBER: "groups"}.get(fault.entity) or fault.detail[0]
        return f"{place}.{part}"

    return field_of


def _registration_field(fault: EntryFault) -> str:
    return f"registration.{fault.detail[0]}"
