"""Members: read, listed, altered, deactivated, activated and deleted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final

from sidegate.errors import (
    DocumentsHeld,
    InvalidInput,
    LastHolder,
    NotFound,
    NotPermitted,
    StaleEtag,
    Violation,
    WrongState,
)
from sidegate.facts.entry_fault import EntryFault
from sidegate.membership.command.caller import Caller
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.etags import etag_of, require_fresh
from sidegate.membership.command.members import (
    member_of,
    put_member,
    records_of,
    require_seats,
    require_unique,
    take_out,
)
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.membership.invitation_rows import require_email, require_phone
from sidegate.membership.member_resources import hand_over, holdings_of, take_away
from sidegate.model.change import EntryKind
from sidegate.model.entry import member_payload
from sidegate.model.facts import Member, MemberStatus
from sidegate.model.page import MemberQuery, MemberRecord, Relation
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import Count, InstanceOf, Operation

FIELDS: Final = frozenset({"name", "email", "phone", "mfa"})
"""What an update can set; only the platform knows who has a second factor."""


class Held(Enum):
    """What becomes of the documents that a member holds when it goes (MS-12)."""

    UNSAID = 0
    KEPT = 1
    TRANSFERRED = 2
    DELETED = 3


@dataclass(frozen=True, slots=True)
class MemberUpdate:
    """A member as it shall be in the given fields; an empty `etag` asks for nothing."""

    member: Member
    fields: Collection[str]
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A member that goes, and what becomes of its documents; `heir` takes them where they are transferred."""

    member: str
    held: Held = Held.UNSAID
    heir: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """How a member went: the record, None of a deleted one, and how many documents it held and were moved."""

    record: MemberRecord | None
    documents: int
    etag: str = ""


class Members:
    """The use cases of members beside their invitations."""

    def __init__(self, commands: CommandRunner, reads: ReadRunner) -> None:
        self._commands = commands
        self._reads = reads

    async def get(self, tenant: str, member: str, caller: Caller) -> MemberRecord:
        """Return a member.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such member.
        """

        async def look(context: CommandContext) -> MemberRecord:
            await context.ask_about(Operation.GET_MEMBER, {InstanceOf.MEMBER: member})
            found = await context.draft.records([member])
            if not found:
                raise NotFound(f"there is no member `{member}` in tenant `{tenant}`")
            return found[member]

        return await self._reads.run(tenant, caller, look)

    async def list(
        self, tenant: str, query: MemberQuery, caller: Caller, *, after: str, limit: int
    ) -> Sequence[MemberRecord]:
        """Return a page of members, by ID (EL-11), those of a role among them (EL-13).

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant.
        """

        async def look(context: CommandContext) -> Sequence[MemberRecord]:
            await context.ask(Operation.LIST_MEMBERS)
            return await context.draft.read(lambda store: store.members(tenant, query, after=after, limit=limit))

        return await self._reads.run(tenant, caller, look)

    async def record_access(self, tenant: str, member: str, at: datetime) -> None:
        """Note when a member was seen; this makes no revision.

        Raises:
            NotFound: there is no such member.
        """
        if not await self._commands.store.record_access(tenant, member, at):
            raise NotFound(f"there is no member `{member}` in tenant `{tenant}`")

    async def update(self, tenant: str, update: MemberUpdate, caller: Caller) -> Written[MemberRecord]:
        """Set fields of a member.

        Raises:
            NotPermitted: the pack denies it, or somebody else than the platform sets the second factor.
            NotFound: there is no such member.
            StaleEtag: the member was altered since its etag was read.
            AlreadyExists: another member has the e-mail or phone number.
        """
        id_ = update.member.id

        async def plan(context: CommandContext) -> MemberRecord:
            await context.ask(Operation.UPDATE_MEMBER, id_)
            if "mfa" in update.fields and not context.caller.is_platform:
                raise NotPermitted("only the platform knows who has a second factor", why="no_operation")
            stored = await member_of(context, id_)
            require_fresh(update.etag, member_payload(stored), name=id_)
            new = _updated(stored, update.member, update.fields)
            await require_unique(context, new)
            put_member(context, new)
            return (await records_of(context, [id_]))[id_]

        return await self._commands.run(tenant, caller, plan=plan, field_of=_update_field)

    async def deactivate(self, tenant: str, leaving: Leaving, caller: Caller) -> Written[Left]:
        """Pause an active member, who keeps its roles (EL-07); its documents need a choice (MS-12).

        Raises:
            NotPermitted: the pack denies it, or what becomes of the documents.
            DocumentsHeld: the member holds documents, and nothing says what becomes of them.
            LastHolder: the member is the one holder of a role that exactly one holds.
            WrongState: the member is not active.
        """

        async def plan(context: CommandContext) -> Left:
            await context.ask(Operation.DEACTIVATE_MEMBER, leaving.member)
            stored = await member_of(context, leaving.member)
            if stored.status is not MemberStatus.ACTIVE:
                raise WrongState(f"member `{stored.id}` is {stored.status.value}: expected an active one")
            await _require_replaceable(context, stored.id)
            documents = await _settle(context, leaving, kept=True)
            put_member(context, replace(stored, status=MemberStatus.INACTIVE))
            return Left((await records_of(context, [stored.id]))[stored.id], documents)

        return await self._commands.run(tenant, caller, plan=plan, field_of=_leaving_field)

    async def activate(self, tenant: str, member: str, caller: Caller) -> Written[MemberRecord]:
        """Let an inactive member in again, with the roles it has kept (EL-07).

        Raises:
            NotPermitted: the pack denies it.
            WrongState: the member is not inactive.
            SeatsTaken: there is no seat for it.
        """

        async def plan(context: CommandContext) -> MemberRecord:
            await context.ask(Operation.ACTIVATE_MEMBER, member)
            stored = await member_of(context, member)
            if stored.status is not MemberStatus.INACTIVE:
                raise WrongState(f"member `{member}` is {stored.status.value}: expected an inactive one")
            await require_seats(context)
            put_member(context, replace(stored, status=MemberStatus.ACTIVE))
            return (await records_of(context, [member]))[member]

        return await self._commands.run(tenant, caller, plan=plan)

    async def delete(self, tenant: str, leaving: Leaving, caller: Caller, *, confirmed: str) -> Written[Left]:
        """Delete a member with all it holds; `confirmed` is the etag that a first call without it returned (EL-09).

        Raises:
            NotPermitted: the pack denies it, or what becomes of the documents.
            DocumentsHeld: the member holds documents, and nothing says who takes them or that they go.
            LastHolder: the member is the one holder of a role that exactly one holds.
            StaleEtag: the member was altered since the first call, or other documents would go with it.
        """

        async def plan(context: CommandContext) -> Left:
            await context.ask(Operation.DELETE_MEMBER, leaving.member)
            stored = await member_of(context, leaving.member)
            await _require_replaceable(context, stored.id)
            held = await holdings_of(context, stored.id)
            gone = held if leaving.held is Held.DELETED else ()
            etag = etag_of({**member_payload(stored), "documents": [*gone]})
            if not confirmed:
                if gone:
                    await context.ask(Operation.DELETE_DOCUMENTS)
                return Left((await records_of(context, [stored.id]))[stored.id], len(held), etag)
            if confirmed != etag:
                changed = "was altered, or holds other documents," if gone else "was altered"
                raise StaleEtag(f"member `{stored.id}` {changed} since the deletion was asked for: ask again")
            documents = await _settle(context, leaving, kept=False)
            await take_out(context, stored.id)
            return Left(None, documents)

        return await self._commands.run(tenant, caller, plan=plan, field_of=_leaving_field)


def _updated(stored: Member, member: Member, fields: Collection[str]) -> Member:
    new = Member(
        stored.id,
        stored.status,
        name=member.name if "name" in fields else stored.name,
        email=member.email if "email" in fields else stored.email,
        mfa=member.mfa if "mfa" in fields else stored.mfa,
        quota=stored.quota,
        phone=member.phone if "phone" in fields else stored.phone,
    )
    changed_email = new.email if new.email != stored.email else ""
    changed_phone = new.phone if new.phone != stored.phone else ""
    if found := [*require_email(changed_email, "member.email"), *require_phone(changed_phone, "member.phone")]:
        raise InvalidInput(*found)
    return new


async def _require_replaceable(context: CommandContext, member: str) -> None:
    """Refuse that the one holder of a role on the tenant goes."""
    for _, (role, scope, _holder) in await context.draft.related(Relation.GRANTS_OF, ref("member", member)):
        declared = context.schema.roles.get(role)
        if scope == context.scope and declared and declared.count is Count.EXACTLY_ONE:
            raise LastHolder(f"`{member}` is the one holder of role `{role}`: delegate it first")


async def _settle(context: CommandContext, leaving: Leaving, *, kept: bool) -> int:
    """Draft what becomes of the documents of one who goes; return how many there are."""
    held = await holdings_of(context, leaving.member)
    if not held:
        return 0
    if leaving.held is Held.TRANSFERRED:
        await context.ask(Operation.TRANSFER_DOCUMENTS)
        await _require_heir(context, leaving)
        await hand_over(context, held, former=leaving.member, heir=leaving.heir)
    elif leaving.held is Held.DELETED:
        await context.ask(Operation.DELETE_DOCUMENTS)
        await take_away(context, held)
    elif leaving.held is Held.UNSAID or not kept:
        choices = "transfer them, keep them where they are or delete them" if kept else "transfer or delete them"
        raise DocumentsHeld(f"`{leaving.member}` still holds {len(held)} documents: {choices}", count=len(held))
    return len(held)


async def _require_heir(context: CommandContext, leaving: Leaving) -> None:
    if leaving.heir == leaving.member or await context.draft.entry(EntryKind.MEMBER, leaving.heir) is None:
        message = f"`{leaving.heir}` can't take the documents: expected another member"
        raise InvalidInput(Violation("transfer_to", message))
    if (await member_of(context, leaving.heir)).status is MemberStatus.INACTIVE:
        raise WrongState(f"member `{leaving.heir}` is inactive: expected one that can use the documents")


def _update_field(fault: EntryFault) -> str:
    return f"member.{fault.detail[0]}"


def _leaving_field(fault: EntryFault) -> str:
    """Return the field of what a member leaves: its own entry, or the documents that another member takes."""
    return "name" if fault.entity is EntryKind.MEMBER else "transfer_to"
