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
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.etags import etag_of, require_etag
from sidegate.membership.command.members import (
    member_of,
    put_member,
    records_of,
    remove_member,
    require_seats,
    require_unique,
)
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.membership.invitation_rows import require_email, require_phone
from sidegate.membership.member_resources import delete_resources, resources_of, transfer_resources
from sidegate.model.change import EntryKind
from sidegate.model.entry import member_payload
from sidegate.model.facts import Member, MemberStatus
from sidegate.model.page import MemberQuery, MemberRecord, Relation
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import Count, InstanceOf, Operation

FIELDS: Final = frozenset({"name", "email", "phone", "mfa"})
"""What an update can set; only the platform knows who has a second factor."""


class DocumentsChoice(Enum):
    """What happens to the documents of a member that is deactivated or deleted (MS-12)."""

    UNSPECIFIED = 0
    KEEP = 1
    TRANSFER = 2
    DELETE = 3


@dataclass(frozen=True, slots=True)
class MemberUpdate:
    """New values of the given fields of a member; an empty `etag` requires nothing."""

    member: Member
    fields: Collection[str]
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Offboarding:
    """A member to deactivate or delete, and the choice for its documents; `new_owner` gets transferred ones."""

    member: str
    documents: DocumentsChoice = DocumentsChoice.UNSPECIFIED
    new_owner: str = ""


@dataclass(frozen=True, slots=True)
class Offboarded:
    """The result: the record, None of a deleted member, and how many documents it held."""

    record: MemberRecord | None
    documents: int
    etag: str = ""


class Members:
    """The use cases of members beside their invitations."""

    def __init__(self, commands: CommandRunner, reads: ReadRunner) -> None:
        self._commands = commands
        self._reads = reads

    async def get(self, tenant: str, member: str, call: Call) -> MemberRecord:
        """Return a member.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such member.
        """

        async def read(context: CommandContext) -> MemberRecord:
            await context.ask_about(Operation.GET_MEMBER, {InstanceOf.MEMBER: member})
            found = await context.draft.records([member])
            if not found:
                raise NotFound(f"there is no member `{member}` in tenant `{tenant}`")
            return found[member]

        return await self._reads.run(tenant, call, read)

    async def list(
        self, tenant: str, query: MemberQuery, call: Call, *, after: str, limit: int
    ) -> Sequence[MemberRecord]:
        """Return a page of members, by ID (EL-11), those of a role among them (EL-13).

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant.
        """

        async def read(context: CommandContext) -> Sequence[MemberRecord]:
            await context.ask(Operation.LIST_MEMBERS)
            return await context.draft.read(lambda store: store.members(tenant, query, after=after, limit=limit))

        return await self._reads.run(tenant, call, read)

    async def record_access(self, tenant: str, member: str, at: datetime) -> None:
        """Record when a member was seen; this makes no revision.

        Raises:
            NotFound: there is no such member.
        """
        if not await self._commands.store.record_access(tenant, member, at):
            raise NotFound(f"there is no member `{member}` in tenant `{tenant}`")

    async def update(self, tenant: str, update: MemberUpdate, call: Call) -> Written[MemberRecord]:
        """Set fields of a member.

        Raises:
            NotPermitted: the pack denies it, or an actor other than the platform sets the second factor.
            NotFound: there is no such member.
            StaleEtag: the member was changed since its etag was read.
            AlreadyExists: another member has the e-mail or phone number.
        """
        id_ = update.member.id

        async def plan(context: CommandContext) -> MemberRecord:
            await context.ask(Operation.UPDATE_MEMBER, id_)
            if "mfa" in update.fields and not context.call.is_platform:
                raise NotPermitted("only the platform knows who has a second factor", why="no_operation")
            stored = await member_of(context, id_)
            require_etag(update.etag, member_payload(stored), name=id_)
            new = _updated(stored, update.member, update.fields)
            await require_unique(context, new)
            put_member(context, new)
            return (await records_of(context, [id_]))[id_]

        return await self._commands.run(tenant, call, plan=plan, field_of=_update_field)

    async def deactivate(self, tenant: str, offboarding: Offboarding, call: Call) -> Written[Offboarded]:
        """Pause an active member, which keeps its roles (EL-07); its documents need a choice (MS-12).

        Raises:
            NotPermitted: the pack denies it, or the choice for the documents.
            DocumentsHeld: the member holds documents, and the request makes no choice for them.
            LastHolder: the member is the one holder of a role that exactly one holds.
            WrongState: the member is not active.
        """

        async def plan(context: CommandContext) -> Offboarded:
            await context.ask(Operation.DEACTIVATE_MEMBER, offboarding.member)
            stored = await member_of(context, offboarding.member)
            if stored.status is not MemberStatus.ACTIVE:
                raise WrongState(f"member `{stored.id}` is {stored.status.value}: expected an active one")
            await _require_replaceable(context, stored.id)
            documents = await _apply_choice(context, offboarding, may_keep=True)
            put_member(context, replace(stored, status=MemberStatus.INACTIVE))
            return Offboarded((await records_of(context, [stored.id]))[stored.id], documents)

        return await self._commands.run(tenant, call, plan=plan, field_of=_offboarding_field)

    async def activate(self, tenant: str, member: str, call: Call) -> Written[MemberRecord]:
        """Activate an inactive member again, with the roles it had (EL-07).

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

        return await self._commands.run(tenant, call, plan=plan)

    async def delete(self, tenant: str, offboarding: Offboarding, call: Call, *, confirmed: str) -> Written[Offboarded]:
        """Delete a member with all it holds; `confirmed` is the etag that a first call without it returned (EL-09).

        Raises:
            NotPermitted: the pack denies it, or the choice for the documents.
            DocumentsHeld: the member holds documents, and the request does not transfer or delete them.
            LastHolder: the member is the one holder of a role that exactly one holds.
            StaleEtag: the member was changed since the first call, or other documents would be deleted with it.
        """

        async def plan(context: CommandContext) -> Offboarded:
            await context.ask(Operation.DELETE_MEMBER, offboarding.member)
            stored = await member_of(context, offboarding.member)
            await _require_replaceable(context, stored.id)
            held = await resources_of(context, stored.id)
            deleted = held if offboarding.documents is DocumentsChoice.DELETE else ()
            etag = etag_of({**member_payload(stored), "documents": [*deleted]})
            if not confirmed:
                if deleted:
                    await context.ask(Operation.DELETE_DOCUMENTS)
                return Offboarded((await records_of(context, [stored.id]))[stored.id], len(held), etag)
            if confirmed != etag:
                changed = "was altered, or holds other documents," if deleted else "was altered"
                raise StaleEtag(f"member `{stored.id}` {changed} since the deletion was asked for: ask again")
            documents = await _apply_choice(context, offboarding, may_keep=False)
            await remove_member(context, stored.id)
            return Offboarded(None, documents)

        return await self._commands.run(tenant, call, plan=plan, field_of=_offboarding_field)


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
    """Require that a member is not the one holder of a role on the tenant."""
    for _, (role, scope, _holder) in await context.draft.related(Relation.GRANTS_OF, ref("member", member)):
        declared = context.schema.roles.get(role)
        if scope == context.scope and declared and declared.count is Count.EXACTLY_ONE:
            raise LastHolder(f"`{member}` is the one holder of role `{role}`: delegate it first")


async def _apply_choice(context: CommandContext, offboarding: Offboarding, *, may_keep: bool) -> int:
    """Draft the choice for the documents of a member; return how many there are."""
    held = await resources_of(context, offboarding.member)
    if not held:
        return 0
    if offboarding.documents is DocumentsChoice.TRANSFER:
        await context.ask(Operation.TRANSFER_DOCUMENTS)
        await _require_new_owner(context, offboarding)
        await transfer_resources(context, held, former=offboarding.member, new_owner=offboarding.new_owner)
    elif offboarding.documents is DocumentsChoice.DELETE:
        await context.ask(Operation.DELETE_DOCUMENTS)
        await delete_resources(context, held)
    elif offboarding.documents is DocumentsChoice.UNSPECIFIED or not may_keep:
        choices = "transfer them, keep them where they are or delete them" if may_keep else "transfer or delete them"
        raise DocumentsHeld(f"`{offboarding.member}` still holds {len(held)} documents: {choices}", count=len(held))
    return len(held)


async def _require_new_owner(context: CommandContext, offboarding: Offboarding) -> None:
    if (
        offboarding.new_owner == offboarding.member
        or await context.draft.entry(EntryKind.MEMBER, offboarding.new_owner) is None
    ):
        message = f"`{offboarding.new_owner}` can't take the documents: expected another member"
        raise InvalidInput(Violation("transfer_to", message))
    if (await member_of(context, offboarding.new_owner)).status is MemberStatus.INACTIVE:
        raise WrongState(f"member `{offboarding.new_owner}` is inactive: expected one that can use the documents")


def _update_field(fault: EntryFault) -> str:
    return f"member.{fault.detail[0]}"


def _offboarding_field(fault: EntryFault) -> str:
    """Return the field that an entry comes from: the member itself, or documents that another member gets."""
    return "name" if fault.entity is EntryKind.MEMBER else "transfer_to"
