"""What one command reads of a tenant and would write, all of it at one revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from sidegate.facts.diff import between
from sidegate.model.change import Cause, Change, EntryKind
from sidegate.model.entry import EntryKey, Payload, member_payload
from sidegate.model.facts import Member, MemberStatus
from sidegate.model.page import (
    MemberQuery,
)
from sidegate.model.revision import Revision
from sidegate.ports.membership_store import MembershipStore
from sidegate.replica.view import View

T = TypeVar("T")
_PAGE: Final = 1000
SEAT_STATUSES: Final = frozenset({MemberStatus.ACTIVE.value, MemberStatus.PENDING.value})
"""The states that take a seat (EF-13)."""


class Draft(View):
    """Entries as they are stored and as they will be; reads see what was drafted before them.

    `put` and `remove` take entries that were read before, so that each change knows the former entry.
    """

    def __init__(self, store: MembershipStore, tenant: str, *, revision: Revision | None = None) -> None:
        """Begin at the revision of the first read, or at the given one; every read must find the same."""
        super().__init__(store, tenant, revision=revision)
        self._drafted: dict[EntryKey, Payload | None] = {}
        self._causes: dict[EntryKey, Cause] = {}
        self._journal: list[tuple[EntryKey, bool, Payload | None]] = []
        self._seats: int | None = None
        self._drafted_seats = 0

    def __repr__(self) -> str:
        return f"Draft({self.tenant!r} at {self._revision}, {len(self._drafted)} drafted)"

    async def seats(self) -> int:
        """Return how many seats are taken, with what is drafted."""
        if self._seats is None:
            self._seats = await self.read(lambda store: store.seats(self.tenant))
        return self._seats + self._drafted_seats

    async def members_in(self, status: MemberStatus) -> list[Member]:
        """Return all members in a state as they are stored, by ID; they count as read."""
        members: list[Member] = []
        after = ""
        while True:
            query = MemberQuery(status=status)
            page, revision = await self._store.members(self.tenant, query, after=after, limit=_PAGE)
            self._pin(revision)
            for record in page:
                self._stored.setdefault((EntryKind.MEMBER, (record.member.id,)), member_payload(record.member))
                members.append(record.member)
            if len(page) < _PAGE:
                return members
            after = page[-1].member.id

    def put(self, entity: EntryKind, *key: str, payload: Payload) -> None:
        """Draft an entry that is new or changed."""
        self._draft((entity, key), payload)

    def set_cause(self, entity: EntryKind, *key: str, cause: Cause) -> None:
        """Set the recorded cause of an entry's change."""
        self._causes[entity, key] = cause

    def remove(self, entity: EntryKind, *key: str) -> None:
        """Draft the removal of an entry."""
        self._draft((entity, key), None)

    def savepoint(self) -> int:
        """Return a point that the draft can be rolled back to."""
        return len(self._journal)

    def roll_back(self, savepoint: int) -> None:
        """Drop what was drafted after a savepoint."""
        while len(self._journal) > savepoint:
            key, was_drafted, payload = self._journal.pop()
            self._count(key, payload if was_drafted else self._stored[key])
            if was_drafted:
                self._drafted[key] = payload
            else:
                del self._drafted[key]

    def changes(self) -> tuple[Change, ...]:
        """Return the changes from stored to drafted entries, ordered so that no reference is without its target."""
        before = {key: payload for key in self._drafted if (payload := self._stored[key]) is not None}
        after = {key: payload for key, payload in self._drafted.items() if payload is not None}
        changes = between(before, after)
        return tuple(replace(one, cause=self._causes.get((one.entity, one.key), one.cause)) for one in changes)

    def known(self) -> dict[EntryKey, Payload]:
        """Return all entries that exist and were read or drafted, the drafted ones last."""
        stored = {key: payload for key, payload in self._stored.items() if key not in self._drafted}
        return {key: payload for key, payload in {**stored, **self._drafted}.items() if payload is not None}

    def _now(self, key: EntryKey) -> Mapping[str, Any] | None:
        return self._drafted[key] if key in self._drafted else self._stored[key]

    def _draft(self, key: EntryKey, payload: Payload | None) -> None:
        assert key in self._stored, f"{key} was not read before it is written"
        self._journal.append((key, key in self._drafted, self._drafted.get(key)))
        self._count(key, payload)
        self._drafted[key] = payload
        self._index(key, payload or {})

    def _count(self, key: EntryKey, payload: Payload | None) -> None:
        """Count the seat that a drafted member takes or frees."""
        if key[0] is EntryKind.MEMBER:
            self._drafted_seats += _seat(payload) - _seat(self._now(key))


def _seat(payload: Payload | None) -> int:
    return int(payload is not None and payload["status"] in SEAT_STATUSES)
