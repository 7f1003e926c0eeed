"""What a sidecar holds in memory: a snapshot per tenant, and the resources asked about lately."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from rpds import HashTrieMap

from sidegate.errors import Unavailable
from sidegate.membership.bounded import BoundedMap
from sidegate.membership.patching import TenantSnapshot, patched, tenant_entity, touched_resources
from sidegate.membership.rows import tenant_rows
from sidegate.model import (
    ANY,
    NO_LINKS,
    NO_PROPERTIES,
    Properties,
    RecordedChange,
    RoleLinks,
    TenantFacts,
    ref,
    split_ref,
)
from sidegate.policy.keeper import PackKeeper
from sidegate.policy.schema import HeldBy, InstanceOf, ResourceType, Schema
from sidegate.ports import FactsReader
from sidegate.telemetry.sync import UNOBSERVED, SyncEvent, SyncObserver

UNREGISTERED_LIMIT: Final = 1024
UNKNOWN_LIMIT: Final = 1024
"""Names that were asked about and are not there: few are remembered, and they push nothing else out."""
TOUCHES: Final = 8
"""Reads for first touches that may wait for the store at once; the feed and writes find a connection besides."""
SEEN_LIMIT: Final = 10_000
"""Changes that a load under way takes along."""


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """What is stored about one resource: where it stands, its properties, and who holds what on it.

    It holds for snapshots of its `lineage`, until a change is about it.
    """

    lineage: object
    registered: bool
    ancestors: Mapping[str, str]
    properties: Properties = field(default_factory=lambda: NO_PROPERTIES)
    links: RoleLinks = NO_LINKS


@dataclass(slots=True)
class _Flight:
    """A load under way: what was seen since it began to read, and whether what it reads may be used at all."""

    task: asyncio.Task[TenantSnapshot | None]
    seen: list[RecordedChange] = field(default_factory=list)
    void: bool = False

    def begin(self) -> None:
        """Read from now: what was seen until now is part of what will be read."""
        self.seen, self.void = [], False

    def see(self, changes: Sequence[RecordedChange]) -> None:
        """Take changes that what is read may or may not hold; too many cost more than to read again."""
        self.seen.extend(changes)
        self.void = self.void or len(self.seen) > SEEN_LIMIT


class Snapshots:
    """Loads tenants and resources on first touch, once however many wait, and keeps them in bounded memory."""

    def __init__(
        self,
        store: FactsReader,
        packs: PackKeeper,
        *,
        max_tenants: int,
        max_resources: int,
        observer: SyncObserver = UNOBSERVED,
    ) -> None:
        self._store = store
        self._packs = packs
        self._observer = observer
        self._tenants: BoundedMap[str, TenantSnapshot] = BoundedMap(
            max_tenants, evicted=partial(observer.count, SyncEvent.TENANT_EVICTED)
        )
        self._resources: BoundedMap[tuple[str, str], ResourceFacts] = BoundedMap(
            max_resources, evicted=partial(observer.count, SyncEvent.RESOURCE_EVICTED)
        )
        self._unregistered: BoundedMap[tuple[str, str], ResourceFacts] = BoundedMap(UNREGISTERED_LIMIT)
        self._unknown: BoundedMap[str, object] = BoundedMap(UNKNOWN_LIMIT)
        self._flights: dict[str, _Flight] = {}
        self._touching = asyncio.Semaphore(TOUCHES)

    def __repr__(self) -> str:
        return f"Snapshots(tenants={self._tenants}, resources={self._resources})"

    def held(self) -> tuple[int, int]:
        """Return how many tenants and how many resources are in memory."""
        return len(self._tenants), len(self._resources)

    def revision(self, tenant: str) -> int:
        """Return the revision of a tenant that is in memory, 0 where it is not."""
        held = self._tenants.peek(tenant)
        return 0 if held is None else held.revision

    def follow(self, tenant: str, changes: Sequence[RecordedChange]) -> None:
        """Bring a tenant that is held to the last of these changes, which must be whole revisions in their order.

        A load that is under way takes them, too; a tenant that can't be brought there by these changes alone is
        dropped, and loaded anew on its next touch.
        """
        self._unknown.drop(tenant)
        if flight := self._flights.get(tenant):
            flight.see(changes)
        held = self._tenants.peek(tenant)
        if held is None or held.revision >= changes[-1].revision:
            return
        for reference in touched_resources(changes):
            self._resources.drop((tenant, reference))
            self._unregistered.drop((tenant, reference))
        if snapshot := patched(held, changes, self._packs.core_scopes):
            self._tenants.replace(tenant, snapshot)
        else:
            self._observer.count(SyncEvent.RELOAD)
            self._tenants.drop(tenant)

    def forget(self) -> None:
        """Let go of everything; loads that are under way begin again."""
        for kept in (self._tenants, self._resources, self._unregistered, self._unknown):
            kept.clear()
        for flight in self._flights.values():
            flight.void = True

    async def tenant(self, tenant: str) -> TenantSnapshot | None:
        """Return a tenant's snapshot, from memory but for the first touch; None where the tenant is unknown.

        Raises:
            StoreUnavailable: the store does not answer.
            Unavailable: the tenant names a pack that is not loaded here.
        """
        held = self._tenants.get(tenant)
        if held is not None:
            return held
        if self._unknown.get(tenant) is not None:
            return None
        flight = self._flights.get(tenant)
        if flight is None:
            flight = _Flight(asyncio.create_task(self._load(tenant)))
            self._flights[tenant] = flight
            flight.task.add_done_callback(lambda task: self._landed(tenant, task))
        else:
            self._observer.count(SyncEvent.JOIN)
        return await asyncio.shield(flight.task)

    def _landed(self, tenant: str, task: asyncio.Task[TenantSnapshot | None]) -> None:
        del self._flights[tenant]
        if not task.cancelled():
            task.exception()  # whoever waited may have been cancelled; the next touch tells the error again

    async def _load(self, tenant: str) -> TenantSnapshot | None:
        """Read a tenant until what was read can be brought to what was seen meanwhile."""
        flight = self._flights[tenant]
        while True:
            async with self._touching:
                flight.begin()
                loaded = await self._store.load_core(tenant, self._packs.core_scopes)
            if loaded is not None:
                # In a thread, since a large tenant takes long and others wait on this loop meanwhile.
                read = await asyncio.to_thread(self._compile, *loaded)
                snapshot = None if flight.void else patched(read, flight.seen, self._packs.core_scopes)
                if snapshot is not None:
                    self._tenants.put(tenant, snapshot)
                    return snapshot
            elif not flight.seen and not flight.void:
                self._unknown.put(tenant, True)
                return None
            self._observer.count(SyncEvent.RELOAD)

    def _compile(self, facts: TenantFacts, revision: int) -> TenantSnapshot:
        pack = self._packs.get(facts.pack)
        if pack is None:
            raise Unavailable(f"tenant `{facts.id}` is on pack `{facts.pack}`, which this server has not loaded")
        schema = pack.pack.schema
        return TenantSnapshot(
            tenant=facts.id,
            revision=revision,
            pack=pack,
            suspended=facts.suspended,
            entity=tenant_entity(facts.id, facts.settings, schema),
            members=HashTrieMap(facts.members),
            program=pack.program.with_rows(added=tenant_rows(facts, schema)),
            lineage=object(),
        )

    async def resource(self, snapshot: TenantSnapshot, type_: ResourceType, id_: str) -> ResourceFacts | None:
        """Return what is stored about a resource at the snapshot's revision; None where that is not to be had any more.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        reference = ref(type_.name, id_)
        if id_ == ANY:
            return ResourceFacts(snapshot.lineage, registered=False, ancestors={})
        if type_.instances is not InstanceOf.RESOURCES:
            links = RoleLinks.of(_held_by_member(snapshot.pack.pack.schema, (reference,)))
            return ResourceFacts(snapshot.lineage, registered=True, ancestors={}, links=links)
        key = snapshot.tenant, reference
        if self._tenants.peek(snapshot.tenant) is snapshot:
            held = self._resources.get(key) or self._unregistered.get(key)
            if held is not None and held.lineage is snapshot.lineage:
                return held
        async with self._touching:
            loaded = await self._load_resource(snapshot, reference)
        if loaded is not None and self._tenants.peek(snapshot.tenant) is snapshot:
            (self._resources if loaded.registered else self._unregistered).put(key, loaded)
        return loaded

    async def _load_resource(self, snapshot: TenantSnapshot, reference: str) -> ResourceFacts | None:
        """Read a resource and what it stands in; None where any of it is at another revision than the snapshot."""
        schema, lineage = snapshot.pack.pack.schema, snapshot.lineage
        resource, grants, revision = await self._store.load_resource(snapshot.tenant, reference)
        if revision != snapshot.revision:
            return None
        if resource is None:
            return ResourceFacts(lineage, registered=False, ancestors={})
        ancestors = dict(map(_by_type, resource.parents))
        waiting = list(resource.parents)
        while waiting:  # each type is entered once, so this ends
            parent = waiting.pop(0)
            declared = schema.resources.get(split_ref(parent)[0])
            if declared is None or not declared.parents:
                continue
            stored, _, at = await self._store.load_resource(snapshot.tenant, parent)
            if at != revision:
                return None
            for type_, name in map(_by_type, stored.parents if stored else ()):
                if type_ not in ancestors:
                    ancestors[type_] = name
                    waiting.append(name)
        links = [(grant.holder, grant.role, grant.scope) for grant in grants]
        links.extend(_held_by_member(schema, (reference, *ancestors.values())))
        return ResourceFacts(lineage, True, ancestors, resource.properties, RoleLinks.of(links))


def _by_type(reference: str) -> tuple[str, str]:
    return split_ref(reference)[0], reference


def _held_by_member(schema: Schema, references: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return the links of what is declared `of: member`: the member of that ID holds its `held_by: member` roles."""
    links: list[tuple[str, str, str]] = []
    for reference in references:
        type_, id_ = split_ref(reference)
        declared = schema.resources.get(type_)
        if declared is None or declared.instances is not InstanceOf.MEMBER:
            continue
        links.extend(
            (ref("member", id_), role.name, reference)
            for role in schema.roles.values()
            if role.held_by is HeldBy.MEMBER and type_ in role.on
        )
    return links
