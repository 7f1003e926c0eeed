"""Members in a draft: found, shown as records, counted against the seats, and removed with all they hold."""

from __future__ import annotations

from collections.abc import Iterable

from sidegate.errors import AlreadyExists, NotFound, SeatsTaken
from sidegate.membership.command.context import CommandContext
from sidegate.model.change import EntryKind
from sidegate.model.entry import member_from_entry, member_payload
from sidegate.model.facts import Member
from sidegate.model.page import MemberRecord, Relation
from sidegate.model.reference import ref

SEATS = "seats"
"""The setting that bounds how many members are active or invited (EF-13)."""


async def member_of(context: CommandContext, id_: str) -> Member:
    """Return a member.

    Raises:
        NotFound: there is no such tenant, or no such member.
    """
    payload = await context.draft.entry(EntryKind.MEMBER, id_)
    if payload is None:
        raise NotFound(f"there is no member `{id_}` in tenant `{context.tenant}`")
    return member_from_entry(id_, payload)


def put_member(context: CommandContext, member: Member) -> None:
    """Draft a member that was read before."""
    context.draft.put(EntryKind.MEMBER, member.id, payload=member_payload(member))


async def records_of(context: CommandContext, ids: Iterable[str]) -> dict[str, MemberRecord]:
    """Return members as they are drafted."""
    wanted = tuple(ids)
    stored = await context.draft.records(wanted)
    found: dict[str, MemberRecord] = {}
    for id_ in wanted:
        holder = ref("member", id_)
        grants = await context.draft.related(Relation.GRANTS_OF, holder)
        inside = await context.draft.related(Relation.GROUPS_OF, holder)
        before = stored.get(id_)
        found[id_] = MemberRecord(
            await member_of(context, id_),
            created_at=before.created_at if before else None,
            last_access_at=before.last_access_at if before else None,
            roles=tuple(sorted(key[0] for _, key in grants if key[1] == context.scope)),
            groups=tuple(sorted(key[0] for _, key in inside)),
            invitation=before.invitation if before else None,
        )
    return found


async def require_unique(context: CommandContext, member: Member) -> None:
    """Require that no other member has the e-mail or the phone number.

    Raises:
        AlreadyExists: another member has it.
    """
    for relation, value in ((Relation.EMAIL, member.email.casefold()), (Relation.PHONE, member.phone)):
        others = await context.draft.related(relation, value) if value else {}
        for _, (other,) in others:
            if other != member.id:
                raise AlreadyExists(f"`{value}` is the {relation.value} of member `{other}` already")


async def require_seats(context: CommandContext, more: int = 1) -> None:
    """Require that a given number of seats is free (EF-13); a tenant without the setting has no limit.

    Raises:
        SeatsTaken: there are fewer.
    """
    tenant = await context.draft.entry(EntryKind.TENANT) or {}
    seats = tenant["settings"].get(SEATS, 0)
    if not seats:
        return
    taken = await context.draft.seats()
    if taken + more > seats:
        raise SeatsTaken(f"{taken} of {seats} seats are taken, and {more} more are needed")


async def remove_member(context: CommandContext, member: str) -> None:
    """Draft the removal of a member, with its invitation, its grants and its memberships of groups."""
    holder = ref("member", member)
    for relation in (Relation.GRANTS_OF, Relation.GROUPS_OF):
        for entity, key in await context.draft.related(relation, holder):
            context.draft.remove(entity, *key)
    if await context.draft.entry(EntryKind.INVITATION, member) is not None:
        context.draft.remove(EntryKind.INVITATION, member)
    context.draft.remove(EntryKind.MEMBER, member)
