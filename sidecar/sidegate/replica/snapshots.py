"""What a sidecar holds in memory: a snapshot per tenant, and the resources asked about lately."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Any, Final

from rpds import HashTrieMap

from sidegate.errors import Unavailable
from sidegate.model.change import RecordedChange
from sidegate.model.facts import TenantFacts
from sidegate.model.reference import ref
from sidegate.model.revision import Revision
from sidegate.policy.pack.registry import PackRegistry
from sidegate.policy.pack.schema import ResourceType
from sidegate.ports.facts_store import FactsReader
from sidegate.replica.casbin_rows import tenant_rows
from sidegate.replica.patches import TenantSnapshot, patched, tenant_entity, touched_resources
from sidegate.replica.resource import ResourceFacts, read_resource, unstored
from sidegate.replica.revisions import RevisionHistory
from sidegate.replica.tenant_head import TenantHead
from sidegate.runtime.lru import BoundedMap
from sidegate.runtime.tasks import cancel_and_wait
from sidegate.telemetry.sync import UNOBSERVED, SyncEvent, SyncObserver

UNREGISTERED_LIMIT: Final = 1024
UNKNOWN_LIMIT: Final = 1024
"""Names that were asked about and are not there: few are remembered, and they push nothing else out."""
TOUCHES: Final = 8
"""Reads for first touches that may wait for the store at once; the feed and writes find a connection besides."""
AT_ONCE: Final = 5_000
"""Changes of a tenant that are followed at once, while all others wait; more of them are read anew, in a thread."""
HEAD_START: Final = 0.1
"""Seconds that a tenant is read later than its standing, unless somebody needs it."""
ASKED: Final = 4
"""Readings of where a tenant stands at once, each of one row."""


@dataclass(slots=True)
class _Flight:
    """A load under way: what was seen since it began to read, and whether what it reads may be used at all.

    `standing` was read before, and `told` when there was one to read; changes seen since may have made it the past.
    `wanted` is set by who can't go on with that alone.
    """

    task: asyncio.Task[TenantSnapshot | None]
    told: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    standing: TenantHead | None = None
    newest: float = 0
    seen: list[RecordedChange] = field(default_factory=list)
    void: bool = False

    def known_head(self) -> TenantHead | None:
        """Return the standing that was read, while nothing newer is known."""
        return self.standing if self.standing is not None and self.standing.revision.number >= self.newest else None

    def begin(self) -> None:
        """Read from now: what was seen until now is part of what will be read."""
        self.seen, self.void = [], False

    def spoil(self) -> None:
        """Let nothing be used of what was read until now: neither store nor packs may be what they were."""
        self.void, self.newest = True, inf

    def see(self, changes: Sequence[RecordedChange]) -> None:
        """Take changes that what is read may or may not hold."""
        self.newest = max(self.newest, changes[-1].revision)
        self.void = self.void or len(self.seen) + len(changes) > AT_ONCE
        if not self.void:
            self.seen.extend(changes)


class Snapshots:
    """Loads tenants and resources on first touch, once however many wait, and keeps them in bounded memory.

    With `ahead`, where a tenant stands is read and told before the tenant itself.
    """

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        store: FactsReader,
        packs: PackRegistry,
        *,
        max_tenants: int,
        max_resources: int,
        ahead: bool = False,
        observer: SyncObserver = UNOBSERVED,
    ) -> None:
        self._store = store
        self._packs = packs
        self._observer = observer
        self._scopes = packs.core_scopes
        self._tenants: BoundedMap[str, TenantSnapshot] = BoundedMap(
            max_tenants, evicted=partial(observer.count, SyncEvent.TENANT_EVICTED)
        )
        self._resources: BoundedMap[tuple[str, str], ResourceFacts] = BoundedMap(
            max_resources, evicted=partial(observer.count, SyncEvent.RESOURCE_EVICTED)
        )
        self._unregistered: BoundedMap[tuple[str, str], ResourceFacts] = BoundedMap(UNREGISTERED_LIMIT)
        self._unknown: BoundedMap[str, object] = BoundedMap(UNKNOWN_LIMIT)
        self.revisions = RevisionHistory(store)
        self._flights: dict[str, _Flight] = {}
        self._touching = asyncio.Semaphore(TOUCHES)
        self._ahead = ahead
        self._asking = asyncio.Semaphore(ASKED)

    def __repr__(self) -> str:
        return f"Snapshots(tenants={self._tenants}, resources={self._resources})"

    def sizes(self) -> tuple[int, int]:
        """Return how many tenants and how many resources are in memory."""
        return len(self._tenants), len(self._resources)

    def tenants(self) -> Sequence[str]:
        """Return the tenants in memory."""
        return self._tenants.keys()

    def resources(self) -> Sequence[tuple[str, str]]:
        """Return the resources in memory, each as tenant and reference."""
        return self._resources.keys()

    def peek(self, tenant: str) -> TenantSnapshot | None:
        """Return a tenant's snapshot that is in memory; that is no use of it."""
        return self._tenants.peek(tenant)

    def drop_outdated_packs(self) -> None:
        """Let go of what was compiled for packs that are no longer in force; loads under way begin again."""
        scopes, self._scopes = self._scopes, self._packs.core_scopes
        for tenant in self.tenants():
            held = self._tenants.peek(tenant)
            if held is not None and (scopes != self._scopes or not self._packs.is_current(held.pack)):
                self._tenants.drop(tenant)
        for flight in self._flights.values():
            flight.spoil()

    def restore(self, snapshot: TenantSnapshot) -> None:
        """Hold a snapshot that an earlier process held, before anything is followed."""
        self._tenants.put(snapshot.tenant, snapshot)

    def drop(self, tenant: str) -> None:
        """Let a tenant go, which its next touch loads anew; with it go the resources of its lineage."""
        self._tenants.drop(tenant)

    def drop_resource(self, tenant: str, reference: str) -> None:
        """Let a resource go that was not as the store has it; a new lineage ends what was decided from it, too."""
        self._resources.drop((tenant, reference))
        if held := self._tenants.peek(tenant):
            self._tenants.replace(tenant, replace(held, lineage=object()))

    def apply_changes(self, tenant: str, changes: Sequence[RecordedChange]) -> None:
        """Bring a tenant that is held to the last of these changes, which must be whole revisions in their order.

        A load that is under way takes them, too; a tenant that can't be brought there by these changes alone is
        dropped, and loaded anew on its next touch.
        """
        self._unknown.drop(tenant)
        if flight := self._flights.get(tenant):
            flight.see(changes)
        for recorded in changes:
            self.revisions.record(tenant, recorded.part_of)
        held = self._tenants.peek(tenant)
        if held is None or held.revision.number >= changes[-1].revision:
            return
        later = [recorded for recorded in changes if recorded.revision > held.revision.number]
        for reference in touched_resources(later):
            self._resources.drop((tenant, reference))
            self._unregistered.drop((tenant, reference))
        snapshot = patched(held, changes, self._packs.core_scopes) if len(changes) <= AT_ONCE else None
        if snapshot is not None:
            self._tenants.replace(tenant, snapshot)
        else:
            self._observer.count(SyncEvent.RELOAD)
            self._tenants.drop(tenant)

    def invalidate_all(self) -> None:
        """Let go of everything; loads that are under way begin again."""
        for kept in (self._tenants, self._resources, self._unregistered, self._unknown):
            kept.clear()
        self.revisions.invalidate_all()
        for flight in self._flights.values():
            flight.spoil()

    async def close(self) -> None:
        """End the loads that are under way, so that nothing asks the store any more."""
        await cancel_and_wait([flight.task for flight in self._flights.values()])

    def is_current(self, tenant: str, head: TenantSnapshot | TenantHead) -> bool:
        """Return whether this is what decisions about a tenant are made from now."""
        return self._tenants.peek(tenant) is head or self.known_head(tenant) is head

    def resource_in_memory(self, snapshot: TenantSnapshot, type_: ResourceType, id_: str) -> ResourceFacts | None:
        """Return what is stored about a resource at the snapshot's revision, None where memory does not hold it."""
        return unstored(snapshot, type_, id_) or self._held(snapshot, ref(type_.name, id_))

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
        flight = self._flight(tenant)
        flight.wanted.set()
        return await asyncio.shield(flight.task)

    async def tenant_head(self, tenant: str) -> TenantSnapshot | TenantHead | None:
        """Return where a tenant stands: its snapshot, or less where that is being read; None where it is unknown.

        Raises:
            StoreUnavailable: the store does not answer.
            Unavailable: the tenant names a pack that is not loaded here.
        """
        held = self._tenants.get(tenant)
        if held is not None:
            return held
        if self._ahead and self._unknown.peek(tenant) is None:
            flight = self._flight(tenant)
            either: tuple[asyncio.Future[Any], ...] = flight.told, flight.task
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if head := self.known_head(tenant):
                return head
        return await self.tenant(tenant)

    def known_head(self, tenant: str) -> TenantSnapshot | TenantHead | None:
        """Return where a tenant stands as far as memory can tell."""
        held = self._tenants.peek(tenant)
        if held is not None:
            return held
        flight = self._flights.get(tenant)
        return flight.known_head() if flight else None

    def _flight(self, tenant: str) -> _Flight:
        """Return the load of a tenant, which begins now where none is under way."""
        flight = self._flights.get(tenant)
        if flight is None:
            flight = _Flight(asyncio.create_task(self._load(tenant)))
            self._flights[tenant] = flight
            flight.task.add_done_callback(lambda task: self._landed(tenant, task))
        else:
            self._observer.count(SyncEvent.JOIN)
        return flight

    def _landed(self, tenant: str, task: asyncio.Task[TenantSnapshot | None]) -> None:
        del self._flights[tenant]
        if not task.cancelled():
            task.exception()  # whoever waited may have been cancelled; the next touch tells the error again

    async def read(self, tenant: str) -> TenantSnapshot | None:
        """Return what the store holds of a tenant now, past all that is in memory; None where the tenant is unknown.

        Raises:
            StoreUnavailable: the store does not answer.
            Unavailable: the tenant names a pack that is not loaded here.
        """
        loaded = await self._store.load_core(tenant, self._packs.core_scopes)
        # In a thread, since a large tenant takes long and others wait on this loop meanwhile.
        return None if loaded is None else await asyncio.to_thread(self._compile, *loaded)

    async def _load(self, tenant: str) -> TenantSnapshot | None:
        """Read a tenant until what was read can be brought to what was seen meanwhile."""
        flight = self._flights[tenant]
        if self._ahead:
            await self._tell_standing(tenant, flight)
        while True:
            async with self._touching:
                flight.begin()
                read = await self.read(tenant)
            if read is None and not flight.seen and not flight.void:
                self._unknown.put(tenant, True)
                return None
            snapshot = None if read is None or flight.void else patched(read, flight.seen, self._packs.core_scopes)
            if snapshot is not None:
                self._tenants.put(tenant, snapshot)
                return snapshot
            self._observer.count(SyncEvent.RELOAD)

    async def _tell_standing(self, tenant: str, flight: _Flight) -> None:
        """Tell where a tenant stands, and give those a start who need no more: they would share the processor."""
        async with self._asking:
            known = await self._store.tenant_head(tenant)
        pack = None if known is None else self._packs.get(known[0])
        if known is not None and pack is not None:
            flight.standing = TenantHead(known[1], pack)
            flight.told.set_result(None)
            with suppress(TimeoutError):
                async with asyncio.timeout(HEAD_START):
                    await flight.wanted.wait()

    def _compile(self, facts: TenantFacts, revision: Revision) -> TenantSnapshot:
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
        held = self.resource_in_memory(snapshot, type_, id_)
        if held is not None:
            return held
        reference = ref(type_.name, id_)
        async with self._touching:
            loaded = await read_resource(self._store, snapshot, reference)
        if loaded is not None and self._tenants.peek(snapshot.tenant) is snapshot:
            (self._resources if loaded.registered else self._unregistered).put((snapshot.tenant, reference), loaded)
        return loaded

    def _held(self, snapshot: TenantSnapshot, reference: str) -> ResourceFacts | None:
        if self._tenants.peek(snapshot.tenant) is not snapshot:
            return None
        key = snapshot.tenant, reference
        held = self._resources.get(key) or self._unregistered.get(key)
        return held if held is not None and held.lineage is snapshot.lineage else None

    async def resource_matches_store(self, tenant: str, reference: str) -> bool | None:
        """Return whether a resource in memory is what the store holds; None where that can't be told now.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        snapshot, held = self._tenants.peek(tenant), self._resources.peek((tenant, reference))
        if snapshot is None or held is None or held.lineage is not snapshot.lineage:
            return None
        stored = await read_resource(self._store, snapshot, reference)
        return None if stored is None else held.same(stored)
