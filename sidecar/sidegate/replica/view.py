"""Reads of one tenant, all of them at one revision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sidegate.errors import NotFound, RevisionConflict
from sidegate.model.change import EntryKind
from sidegate.model.entry import EntryKey, Payload, resource_payload
from sidegate.model.page import (
    MemberQuery,
    MemberRecord,
    Relation,
    ResourceQuery,
    ResourceRecord,
    TenantQuery,
    TenantRecord,
    TenantSize,
)
from sidegate.model.revision import NO_REVISION, Revision
from sidegate.ports.membership_store import MembershipStore

T = TypeVar("T")


class View:
    """A tenant as the store holds it at one revision; what was read once is not read again."""

    def __init__(self, store: MembershipStore, tenant: str, *, revision: Revision | None = None) -> None:
        """Read at the revision that the first read finds, or at this one; each read must find the same."""
        self.tenant = tenant
        self._store = store
        self._revision = revision
        self._stored: dict[EntryKey, Payload | None] = {}
        self._asked: set[tuple[Relation, str]] = set()
        self._by_relation: defaultdict[tuple[Relation, str], set[EntryKey]] = defaultdict(set)

    def __repr__(self) -> str:
        return f"View({self.tenant!r} at {self._revision})"

    @property
    def revision(self) -> Revision:
        """The revision of all that was read; NO_REVISION where there is no such tenant."""
        return self._revision or NO_REVISION

    async def read(self, query: Callable[[MembershipStore], Awaitable[tuple[T, Revision]]]) -> T:
        """Return what a read of the store finds.

        Raises:
            RevisionConflict: another writer came between two reads.
        """
        found, revision = await query(self._store)
        self._pin(revision)
        return found

    async def load(self, keys: Iterable[EntryKey]) -> None:
        """Read, in one call, entries that are needed later."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._stored]
        if missing:
            found = await self.read(lambda store: store.entries(self.tenant, missing))
            self._stored.update({key: found.get(key) for key in missing})

    async def entry(self, entity: EntryKind, *key: str) -> Mapping[str, Any] | None:
        """Return an entry; None where it is not there.

        Raises:
            RevisionConflict: another writer came between two reads.
        """
        await self.load([(entity, key)])
        return self._now((entity, key))

    async def related(self, relation: Relation, *values: str) -> dict[EntryKey, Payload]:
        """Return the entries that have a relation to any of the values.

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

    async def tenant_record(self) -> TenantRecord:
        """Return the tenant as it is stored, with what does not belong to the facts.

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
        """Return members as they are stored, with what does not belong to the facts."""
        query = MemberQuery(ids=tuple(ids))
        found = await self.read(lambda store: store.members(self.tenant, query, after="", limit=len(query.ids)))
        return {record.member.id: record for record in found}

    async def resources(self, query: ResourceQuery, *, after: str, limit: int) -> Sequence[ResourceRecord]:
        """Return a page of the resources of a query, as they are stored; their entries are not read again."""
        found = await self.read(lambda store: store.resource_page(self.tenant, query, after=after, limit=limit))
        for resource in (record.resource for record in found):
            self._stored.setdefault((EntryKind.RESOURCE, (resource.ref,)), resource_payload(resource))
        return found

    def _now(self, key: EntryKey) -> Mapping[str, Any] | None:
        return self._stored[key]

    def _index(self, key: EntryKey, payload: Mapping[str, Any]) -> None:
        for relation in _relations(key, payload):
            self._by_relation[relation].add(key)

    def _pin(self, revision: Revision) -> None:
        if self._revision is None:
            self._revision = revision
        elif self._revision != revision:
            raise RevisionConflict(f"the tenant `{self.tenant}` changed while it was read")


def _relations(entry: EntryKey, payload: Mapping[str, Any]) -> Iterator[tuple[Relation, str]]:
    """Yield the relations of an entry with their values, as the indexes of the store have them."""
    entity, key = entry
    match entity:
        case EntryKind.GRANT:
            role, scope, holder = key
            yield Relation.GRANTS_OF, holder
            yield Relation.GRANTS_ON, scope
            if scope.startswith("tenant:"):
                yield Relation.GRANTS_AS, role
        case EntryKind.GROUP_MEMBER:
            group, holder = key
            yield Relation.INSIDE, group
            yield Relation.GROUPS_OF, holder
        case EntryKind.MEMBER if payload:
            yield Relation.EMAIL, payload["email"].casefold()
            yield Relation.PHONE, payload.get("phone", "")
        case EntryKind.RESOURCE if payload:
            yield from ((Relation.CHILDREN, parent) for parent in payload["parents"])
