"""What a sidecar holds in memory: a snapshot per tenant, and the resources asked about lately."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

UNREGISTERED_LIMIT: Final = 1024
"""Names that were asked about and are not there: few are remembered, and they push nothing else out."""


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
    """A load under way; `floor` is the revision that changes seen meanwhile ask for."""

    task: asyncio.Task[TenantSnapshot | None]
    floor: int = field(default=0)


class Snapshots:
    """Loads tenants and resources on first touch, once however many wait, and keeps them in bounded memory."""

    def __init__(self, store: FactsReader, packs: PackKeeper, *, max_tenants: int, max_resources: int) -> None:
        self._store = store
        self._packs = packs
        self._tenants: BoundedMap[str, TenantSnapshot] = BoundedMap(max_tenants)
        self._resources: BoundedMap[tuple[str, str], ResourceFacts] = BoundedMap(max_resources)
        self._unregistered: BoundedMap[tuple[str, str], ResourceFacts] = BoundedMap(UNREGISTERED_LIMIT)
        self._flights: dict[str, _Flight] = {}

    def __repr__(self) -> str:
        return f"Snapshots(tenants={self._tenants}, resources={self._resources})"

    def follow(self, tenant: str, changes: Sequence[RecordedChange]) -> None:
        """Bring a tenant that is held to the last of these changes, which must be whole revisions in their order.

        A load that is under way begins again if it read an older revision; a tenant that can't be brought there by
        these changes alone is dropped, and loaded anew on its next touch.
        """
        last = changes[-1].revision
        if flight := self._flights.get(tenant):
            flight.floor = max(flight.floor, last)
        held = self._tenants.peek(tenant)
        if held is None or held.revision >= last:
            return
        for reference in touched_resources(changes):
            self._resources.drop((tenant, reference))
            self._unregistered.drop((tenant, reference))
        if snapshot := patched(held, changes, self._packs.core_scopes):
            self._tenants.replace(tenant, snapshot)
        else:
            self._tenants.drop(tenant)

    async def tenant(self, tenant: str) -> TenantSnapshot | None:
        """Return a tenant's snapshot, from memory but for the first touch; None where the tenant is unknown.

        Raises:
            StoreUnavailable: the store does not answer.
            Unavailable: the tenant names a pack that is not loaded here.
        """
        held = self._tenants.get(tenant)
        if held is not None:
            return held
        flight = self._flights.get(tenant)
        if flight is None:
            flight = _Flight(asyncio.create_task(self._load(tenant)))
            self._flights[tenant] = flight
            flight.task.add_done_callback(lambda task: self._landed(tenant, task))
        return await asyncio.shield(flight.task)

    def _landed(self, tenant: str, task: asyncio.Task[TenantSnapshot | None]) -> None:
        del self._flights[tenant]
        if not task.cancelled():
            task.exception()  # whoever waited may have been cancelled; the next touch tells the error again

    async def _load(self, tenant: str) -> TenantSnapshot | None:
        while True:
            loaded = await self._store.load_core(tenant, self._packs.core_scopes)
            if loaded is None:
                return None
            # In a thread, since a large tenant takes long and others wait on this loop meanwhile.
            snapshot = await asyncio.to_thread(self._compile, *loaded)
            if snapshot.revision >= self._flights[tenant].floor:
                self._tenants.put(tenant, snapshot)
                return snapshot

    def _compile(self, facts: TenantFacts, revision: int) -> TenantSnapshot:
        pack = self._packs.get(facts.pack)
        if pack is None:
            raise Unavailable(f"tenant `{facts.id}` is on pack `{facts.pack}`, which this server has not loaded")
        schema = pack.pack.schema
        return TenantSnapshot(
            tenant=facts.id,
            revision=revision,
            pack=pack,
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
