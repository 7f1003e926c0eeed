"""What a sidecar holds in memory: a snapshot of each tenant, and the resources of recent questions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
from sidegate.replica.patches import TenantSnapshot, changed_resources, patched, tenant_entity
from sidegate.replica.resource import ResourceFacts, read_resource, read_together, without_store
from sidegate.replica.revisions import RevisionHistory
from sidegate.replica.tenant_head import TenantHead
from sidegate.runtime.fair_slots import FairSlots
from sidegate.runtime.lru import BoundedMap
from sidegate.runtime.tasks import cancel_and_wait
from sidegate.telemetry.sync import UNOBSERVED, SyncEvent, SyncObserver

UNREGISTERED_LIMIT: Final = 1024
UNKNOWN_LIMIT: Final = 1024
"""Names that do not exist: few are remembered, apart from the others, so that they evict nothing."""
TENANT_READS: Final = 4
RESOURCE_READS: Final = 4
"""Reads of tenants and of resources in parallel; connections are left for the feed and for writes."""
FOLLOW_LIMIT: Final = 5_000
"""Changes of a tenant that are followed in one step, while all else waits; for more, the tenant is loaded again."""
LOADS: Final = 8
"""How often a tenant is read, within one load, to which the changes seen meanwhile can't be applied."""
WAITING_LOADS: Final = 1_000
"""Loads in progress up to which one goes on that no request waits for any more, so that the next request finds it."""
HEAD_START: Final = 0.1
"""Seconds that the load of a tenant waits after its head was read, unless a request needs the snapshot."""
HEAD_READS: Final = 4
"""Reads of heads in parallel, each of one row."""


@dataclass(slots=True)
class _Flight:
    """A load in progress: the changes that were seen since it began to read, and whether what it reads can be used.

    `head` is read before the tenant, and `head_read` ends then; a change that was seen since makes it outdated.
    `needed` is set by a request that needs the snapshot. `callers` is how many requests wait, `begun` whether the store
    is read for them.
    """

    task: asyncio.Task[TenantSnapshot | None]
    head_read: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    needed: asyncio.Event = field(default_factory=asyncio.Event)
    head: TenantHead | None = None
    newest: float = 0
    seen: list[RecordedChange] = field(default_factory=list)
    void: bool = False
    callers: int = 0
    begun: bool = False

    def known_head(self) -> TenantHead | None:
        """Return the head that was read, None once a newer revision is known."""
        return self.head if self.head is not None and self.head.revision.number >= self.newest else None

    def begin(self) -> None:
        """Begin to read: changes that were seen until now are part of what will be read."""
        self.seen, self.void, self.begun = [], False, True

    def discard(self) -> None:
        """Make what was read until now unusable: the store or the packs may have changed."""
        self.void, self.newest = True, inf

    def record(self, changes: Sequence[RecordedChange]) -> None:
        """Record changes that what is being read may or may not contain."""
        self.newest = max(self.newest, changes[-1].revision)
        self.void = self.void or len(self.seen) + len(changes) > FOLLOW_LIMIT
        if not self.void:
            self.seen.extend(changes)


class Snapshots:
    """Loads tenants and resources on first use, once for all requests that wait, and holds them in bounded memory.

    With `ahead`, the head of a tenant is read before the tenant itself.
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
        self._reading_tenants = FairSlots(TENANT_READS)
        self.reading_resources = FairSlots(RESOURCE_READS)
        self._ahead = ahead
        self._reading_heads = FairSlots(HEAD_READS)

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
        """Return a tenant's snapshot that is in memory, without marking it as used."""
        return self._tenants.peek(tenant)

    def drop_outdated_packs(self) -> None:
        """Drop what was compiled for packs that are not current any more; loads in progress start again."""
        scopes, self._scopes = self._scopes, self._packs.core_scopes
        for tenant in self.tenants():
            held = self._tenants.peek(tenant)
            if held is not None and (scopes != self._scopes or not self._packs.is_current(held.pack)):
                self._tenants.drop(tenant)
        for flight in self._flights.values():
            flight.discard()

    def restore(self, snapshot: TenantSnapshot) -> None:
        """Hold a snapshot of an earlier process, before any change is followed."""
        self._tenants.put(snapshot.tenant, snapshot)

    def drop(self, tenant: str) -> None:
        """Drop a tenant, which is loaded again on its next use; the resources of its lineage become invalid."""
        self._tenants.drop(tenant)

    def drop_resource(self, tenant: str, reference: str) -> None:
        """Drop a resource that differs from the store; a new lineage invalidates what was decided from it, too."""
        self._resources.drop((tenant, reference))
        if held := self._tenants.peek(tenant):
            self._tenants.replace(tenant, replace(held, lineage=object()))

    def apply_changes(self, tenant: str, changes: Sequence[RecordedChange]) -> None:
        """Apply changes to a tenant in memory; they must be whole revisions in their order.

        A load in progress records them, too. A tenant to which they can't be applied is dropped, and loaded again on
        its next use.
        """
        self._unknown.drop(tenant)
        if flight := self._flights.get(tenant):
            flight.record(changes)
        for recorded in changes:
            self.revisions.record(tenant, recorded.part_of)
        held = self._tenants.peek(tenant)
        if held is None or held.revision.number >= changes[-1].revision:
            return
        later = [recorded for recorded in changes if recorded.revision > held.revision.number]
        for reference in changed_resources(later):
            self._resources.drop((tenant, reference))
            self._unregistered.drop((tenant, reference))
        snapshot = patched(held, changes, self._packs.core_scopes) if len(changes) <= FOLLOW_LIMIT else None
        if snapshot is not None:
            self._tenants.replace(tenant, snapshot)
        else:
            self._observer.count(SyncEvent.RELOAD)
            self._tenants.drop(tenant)

    def invalidate_all(self) -> None:
        """Drop everything; loads in progress start again."""
        for entries in (self._tenants, self._resources, self._unregistered, self._unknown):
            entries.clear()
        self.revisions.invalidate_all()
        for flight in self._flights.values():
            flight.discard()

    async def close(self) -> None:
        """End the loads in progress, so that nothing reads the store any more."""
        await cancel_and_wait([flight.task for flight in self._flights.values()])

    def is_current(self, tenant: str, head: TenantSnapshot | TenantHead) -> bool:
        """Return whether this is what decisions about a tenant are made from now."""
        return self._tenants.peek(tenant) is head or self.known_head(tenant) is head

    def resource_in_memory(self, snapshot: TenantSnapshot, type_: ResourceType, id_: str) -> ResourceFacts | None:
        """Return what is stored about a resource at the snapshot's revision, None where memory does not hold it."""
        return without_store(snapshot, type_, id_) or self._held(snapshot, ref(type_.name, id_))

    async def tenant(self, tenant: str) -> TenantSnapshot | None:
        """Return a tenant's snapshot, read from the store on first use; None where the tenant is unknown.

        Raises:
            StoreUnavailable: the store does not answer.
            Unavailable: the tenant names a pack that is not loaded here.
        """
        held = self._tenants.get(tenant)
        if held is not None:
            return held
        if self._unknown.get(tenant) is not None:
            return None
        with self._waiting(tenant) as flight:
            flight.needed.set()
            return await asyncio.shield(flight.task)

    async def tenant_head(self, tenant: str) -> TenantSnapshot | TenantHead | None:
        """Return a tenant's snapshot, or its head while the snapshot is being loaded; None where it is unknown.

        Raises:
            StoreUnavailable: the store does not answer.
            Unavailable: the tenant names a pack that is not loaded here.
        """
        held = self._tenants.get(tenant)
        if held is not None:
            return held
        if self._ahead and self._unknown.peek(tenant) is None:
            with self._waiting(tenant) as flight:
                either: tuple[asyncio.Future[Any], ...] = flight.head_read, flight.task
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if head := self.known_head(tenant):
                return head
        return await self.tenant(tenant)

    def known_head(self, tenant: str) -> TenantSnapshot | TenantHead | None:
        """Return a tenant's snapshot or head from memory, None where memory holds none that is current."""
        held = self._tenants.peek(tenant)
        if held is not None:
            return held
        flight = self._flights.get(tenant)
        return flight.known_head() if flight else None

    @contextmanager
    def _waiting(self, tenant: str) -> Iterator[_Flight]:
        """Yield the load of a tenant while a request waits for it.

        Requests may leave faster than tenants can be loaded. Where many loads wait, one that nobody waits for is ended.
        """
        flight = self._flight(tenant)
        flight.callers += 1
        try:
            yield flight
        finally:
            flight.callers -= 1
            idle = not flight.callers and not flight.begun and flight.head is None and not flight.task.done()
            if idle and len(self._flights) > WAITING_LOADS:
                del self._flights[tenant]
                flight.task.cancel()

    def _flight(self, tenant: str) -> _Flight:
        """Return the load of a tenant, which begins now unless one is in progress."""
        flight = self._flights.get(tenant)
        if flight is None:
            flight = _Flight(asyncio.create_task(self._load(tenant)))
            self._flights[tenant] = flight
            flight.task.add_done_callback(partial(self._loaded, tenant))
        else:
            self._observer.count(SyncEvent.JOIN)
        return flight

    def _loaded(self, tenant: str, task: asyncio.Task[TenantSnapshot | None]) -> None:
        # A load that was ended early is not there any more, and another one may be.
        if (flight := self._flights.get(tenant)) is not None and flight.task is task:
            del self._flights[tenant]
        if not task.cancelled():
            task.exception()  # all callers may have been cancelled; the next use reports the error again

    async def read(self, tenant: str) -> TenantSnapshot | None:
        """Return what the store holds of a tenant now, whatever is in memory; None where the tenant is unknown.

        Raises:
            StoreUnavailable: the store does not answer.
            Unavailable: the tenant names a pack that is not loaded here.
        """
        loaded = await self._store.load_core(tenant, self._packs.core_scopes)
        # In a thread: a large tenant takes long, and other requests use this event loop.
        return None if loaded is None else await asyncio.to_thread(self._compile, *loaded)

    async def _load(self, tenant: str) -> TenantSnapshot | None:
        """Read a tenant, once more if the changes that were seen during a read can't be applied to it.

        Raises:
            Unavailable: they could not be applied after any of several reads.
        """
        flight = self._flights[tenant]
        if self._ahead:
            await self._read_head(tenant, flight)
        # It waits once, however often it has to read.
        async with self._reading_tenants:
            for _ in range(LOADS):
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
        raise Unavailable(f"tenant `{tenant}` changes faster than it can be loaded; try again")

    async def _read_head(self, tenant: str, flight: _Flight) -> None:
        """Read a tenant's head, then wait a little: requests that need no more are answered before the load begins."""
        async with self._reading_heads:
            known = await self._store.tenant_head(tenant)
        pack = None if known is None else self._packs.get(known[0])
        if known is not None and pack is not None:
            flight.head = TenantHead(known[1], pack)
            flight.head_read.set_result(None)
            with suppress(TimeoutError):
                async with asyncio.timeout(HEAD_START):
                    await flight.needed.wait()

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
        """Return what is stored about a resource at the snapshot's revision; None where the store has a later one.

        The caller holds a slot of `reading_resources`, taken before the snapshot was looked up: a wait in between
        would make the snapshot outdated.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        held = self.resource_in_memory(snapshot, type_, id_)
        if held is not None:
            return held
        reference = ref(type_.name, id_)
        loaded = await read_resource(self._store, snapshot, reference)
        if loaded is not None:
            self._remember(snapshot, reference, loaded)
        return loaded

    async def resources_together(
        self, snapshot: TenantSnapshot, references: Collection[str]
    ) -> Mapping[str, ResourceFacts] | None:
        """Return what is stored about any number of resources, in one read; None where the store has a later revision.

        The caller holds a slot of `reading_resources`, as for a single one.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        loaded = await read_together(self._store, snapshot, references)
        if loaded is not None:
            for reference, facts in loaded.items():
                self._remember(snapshot, reference, facts)
        return loaded

    def _remember(self, snapshot: TenantSnapshot, reference: str, facts: ResourceFacts) -> None:
        """Hold what was read about a resource, while the snapshot is the tenant's current one."""
        if self._tenants.peek(snapshot.tenant) is snapshot:
            (self._resources if facts.registered else self._unregistered).put((snapshot.tenant, reference), facts)

    def _held(self, snapshot: TenantSnapshot, reference: str) -> ResourceFacts | None:
        if self._tenants.peek(snapshot.tenant) is not snapshot:
            return None
        key = snapshot.tenant, reference
        held = self._resources.get(key) or self._unregistered.get(key)
        return held if held is not None and held.lineage is snapshot.lineage else None

    async def resource_matches_store(self, tenant: str, reference: str) -> bool | None:
        """Return whether a resource in memory equals the store's; None where they can't be compared now.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        snapshot, held = self._tenants.peek(tenant), self._resources.peek((tenant, reference))
        if snapshot is None or held is None or held.lineage is not snapshot.lineage:
            return None
        stored = await read_resource(self._store, snapshot, reference)
        return None if stored is None else held.same(stored)
