"""What one step reads of a tenant and would write: all of it at one revision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from sidegate.entries import EntryKey, Payload, member_payload, resource_payload
from sidegate.errors import NotFound, RevisionConflict
from sidegate.membership.difference import between
from sidegate.model import NO_REVISION, Cause, Change, Entity, Member, MemberStatus, Revision
from sidegate.ports import MembershipStore
from sidegate.queries import (
    MemberQuery,
    MemberRecord,
    Relation,
    ResourceQuery,
    ResourceRecord,
    TenantQuery,
    TenantRecord,
    TenantSize,
)

T = TypeVar("T")
_PAGE: Final = 1000
SEATED: Final = frozenset({MemberStatus.ACTIVE.value, MemberStatus.PENDING.value})
"""The states that take a seat (EF-13)."""


class Draft:
    """Entries as they are stored, and as they shall be; what is drafted is seen by what is read after it.

    `put` and `remove` take entries that were read before, so that each change knows what stood there.
    """

    def __init__(self, store: MembershipStore, tenant: str, *, revision: Revision | None = None) -> None:
        """Begin at the revision of the first read, or at this one, which each read must find then."""
        self.tenant = tenant
        self._store = store
        self._revision = revision
        self._stored: dict[EntryKey, Payload | None] = {}
        self._drafted: dict[EntryKey, Payload | None] = {}
        self._causes: dict[EntryKey, Cause] = {}
        self._journal: list[tuple[EntryKey, bool, Payload | None]] = []
        self._asked: set[tuple[Relation, str]] = set()
        self._seats: int | None = None
        self._more_seats = 0
        self._by_relation: defaultdict[tuple[Relation, str], set[EntryKey]] = defaultdict(set)

    def __repr__(self) -> str:
        return f"Draft({self.tenant!r} at {self._revision}, {len(self._drafted)} drafted)"

    @property
    def revision(self) -> Revision:
        """The revision of all that was read; NO_REVISION where there is no such tenant."""
        return self._revision or NO_REVISION

    async def read(self, look: Callable[[MembershipStore], Awaitable[tuple[T, Revision]]]) -> T:
        """Return what a read of the store finds, as it is stored.

        Raises:
            RevisionConflict: another writer came between two reads.
        """
        found, revision = await look(self._store)
        self._pin(revision)
        return found

    async def load(self, keys: Iterable[EntryKey]) -> None:
        """Read entries at once that are needed later."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._stored]
        if missing:
            found = await self.read(lambda store: store.entries(self.tenant, missing))
            self._stored.update({key: found.get(key) for key in missing})

    async def entry(self, entity: Entity, *key: str) -> Mapping[str, Any] | None:
        """Return an entry as it is drafted, else as it is stored; None where it is not there.

        Raises:
            RevisionConflict: another writer came between two reads.
        """
        await self.load([(entity, key)])
        return self._now((entity, key))

    async def related(self, relation: Relation, *values: str) -> dict[EntryKey, Payload]:
        """Return the entries that stand in a relation to any of the values.

        Raises:
            RevisionConflict: another writer came between two reads.
        """
        missing = [value for value in dict.fromkeys(values) if (relation, value) not in self._asked]
        if missing:
            found = await self.read(lambda store: store.related(self.tenant, relation, missing))
            self._asked.update((relation, value) for value in missing)
            for key, payload in found.items():
                self._stored.setdefault(key, payload)
                self._index(key, payload)
        keys = dict.fromkeys(key for value in values for key in sorted(self._by_relation[relation, value]))
        now = {key: self._now(key) for key in keys}
        wanted = {(relation, value) for value in values}
        return {
            key: payload
            for key, payload in now.items()
            if payload is not None and not wanted.isdisjoint(_relations(key, payload))
        }

    async def seats(self) -> int:
        """Return how many seats are taken, with what is drafted."""
        if self._seats is None:
            self._seats = await self.read(lambda store: store.seats(self.tenant))
        return self._seats + self._more_seats

    async def tenant_record(self) -> TenantRecord:
        """Return the tenant as it is stored, with what is no part of the facts.

        Raises:
            NotFound: there is no such tenant.
            RevisionConflict: another writer came between two reads.
        """
        found = await self._store.tenant_page(TenantQuery(ids=(self.tenant,)), after="", limit=1)
        self._pin(found[0].revision if found else NO_REVISION)
        if not found:
            raise NotFound(f"there is no tenant `{self.tenant}`")
        return found[0]

    async def size(self) -> TenantSize:
        """Return how much is stored in the tenant.

        Raises:
            RevisionConflict: another writer came between two reads.
        """
        return await self.read(lambda store: store.size(self.tenant))

    async def records(self, ids: Iterable[str]) -> dict[str, MemberRecord]:
        """Return members as they are stored, with what is no part of the facts."""
        query = MemberQuery(ids=tuple(ids))
        found = await self.read(lambda store: store.members(self.tenant, query, after="", limit=len(query.ids)))
        return {record.member.id: record for record in found}

    async def resources(self, query: ResourceQuery, *, after: str, limit: int) -> Sequence[ResourceRecord]:
        """Return a page of the resources that a query asks for as they are stored; their entries are known then."""
        found = await self.read(lambda store: store.resource_page(self.tenant, query, after=after, limit=limit))
        for resource in (record.resource for record in found):
            self._stored.setdefault((Entity.RESOURCE, (resource.ref,)), resource_payload(resource))
        return found

    async def members_in(self, status: MemberStatus) -> list[Member]:
        """Return all members in a state as they are stored, by ID; they can be put then."""
        members: list[Member] = []
        after = ""
        while True:
            query = MemberQuery(status=status)
            page, revision = await self._store.members(self.tenant, query, after=after, limit=_PAGE)
            self._pin(revision)
            for record in page:
                self._stored.setdefault((Entity.MEMBER, (record.member.id,)), member_payload(record.member))
                members.append(record.member)
            if len(page) < _PAGE:
                return members
            after = page[-1].member.id

    def put(self, entity: Entity, *key: str, payload: Payload) -> None:
        """Draft an entry as new or altered."""
        self._draft((entity, key), payload)

    def explain(self, entity: Entity, *key: str, cause: Cause) -> None:
        """Say why an entry is drafted."""
        self._causes[entity, key] = cause

    def remove(self, entity: Entity, *key: str) -> None:
        """Draft an entry as gone."""
        self._draft((entity, key), None)

    def mark(self) -> int:
        """Return a mark to come back to."""
        return len(self._journal)

    def undo(self, mark: int) -> None:
        """Forget what was drafted since a mark."""
        while len(self._journal) > mark:
            key, was_drafted, payload = self._journal.pop()
            self._count(key, payload if was_drafted else self._stored[key])
            if was_drafted:
                self._drafted[key] = payload
            else:
                del self._drafted[key]

    def changes(self) -> tuple[Change, ...]:
        """Return the changes from what is stored to what is drafted, in an order that leaves nothing dangling."""
        before = {key: payload for key in self._drafted if (payload := self._stored[key]) is not None}
        after = {key: payload for key, payload in self._drafted.items() if payload is not None}
        changes = between(before, after)
        return tuple(replace(one, cause=self._causes.get((one.entity, one.key), one.cause)) for one in changes)

    def known(self) -> dict[EntryKey, Payload]:
        """Return all entries that were read or drafted and are there, what is drafted last."""
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
        """Count the seat that an entry takes or leaves by becoming another."""
        if key[0] is Entity.MEMBER:
            self._more_seats += _seat(payload) - _seat(self._now(key))

    def _index(self, key: EntryKey, payload: Mapping[str, Any]) -> None:
        for relation in _relations(key, payload):
            self._by_relation[relation].add(key)

    def _pin(self, revision: Revision) -> None:
        if self._revision is None:
            self._revision = revision
        elif self._revision != revision:
            raise RevisionConflict(f"the tenant `{self.tenant}` changed while it was read")


def _seat(payload: Payload | None) -> int:
    return int(payload is not None and payload["status"] in SEATED)


def _relations(entry: EntryKey, payload: Mapping[str, Any]) -> Iterator[tuple[Relation, str]]:
    """Yield the relations that an entry stands in, with their values: what the store finds by its indexes."""
    entity, key = entry
    match entity:
        case Entity.GRANT:
            role, scope, holder = key
            yield Relation.GRANTS_OF, holder
            yield Relation.GRANTS_ON, scope
            if scope.startswith("tenant:"):
                yield Relation.GRANTS_AS, role
        case Entity.GROUP_MEMBER:
            group, holder = key
            yield Relation.INSIDE, group
            yield Relation.GROUPS_OF, holder
        case Entity.MEMBER if payload:
            yield Relation.EMAIL, payload["email"].casefold()
            yield Relation.PHONE, payload.get("phone", "")
        case Entity.RESOURCE if payload:
            yield from ((Relation.CHILDREN, parent) for parent in payload["parents"])
