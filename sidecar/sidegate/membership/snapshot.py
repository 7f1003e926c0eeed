"""What a sidecar holds in memory: a snapshot per tenant, and the resources asked about lately."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sidegate.engine.entity import Entity
from sidegate.errors import Unavailable
from sidegate.membership.bounded import BoundedMap
from sidegate.membership.rows import tenant_rows
from sidegate.model import (
    ANY,
    NO_LINKS,
    NO_PROPERTIES,
    Member,
    Properties,
    RoleLinks,
    TenantFacts,
    ref,
    split_ref,
)
from sidegate.policy.keeper import CompiledPack, PackKeeper
from sidegate.policy.schema import TENANT, HeldBy, InstanceOf, ResourceType, Schema
from sidegate.ports import FactsReader, Program

UNSETTLED: Final = -1
"""The revision of facts that changed while they were read."""
UNREGISTERED_LIMIT: Final = 1024
"""Names that were asked about and are not there: few are remembered, and they push nothing else out."""


@dataclass(frozen=True, slots=True)
class TenantSnapshot:
    """One tenant at one revision, compiled; it never changes."""

    tenant: str
    revision: int
    pack: CompiledPack
    entity: Entity
    members: Mapping[str, Member]
    program: Program


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """What is stored about one resource at one revision: where it stands, its properties, who holds what on it."""

    revision: int
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

    def forget(self, tenant: str, revision: int) -> None:
        """Drop what is older than `revision` of a tenant, and outdate a load of it that is under way."""
        held = self._tenants.get(tenant)
        if held is not None and held.revision < revision:
            self._tenants.drop(tenant)
        if flight := self._flights.get(tenant):
            flight.floor = max(flight.floor, revision)

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
            facts, revision = loaded
            if revision >= self._flights[tenant].floor:
                snapshot = self._compile(facts, revision)
                self._tenants.put(tenant, snapshot)
                return snapshot

    def _compile(self, facts: TenantFacts, revision: int) -> TenantSnapshot:
        pack = self._packs.get(facts.pack)
        if pack is None:
            raise Unavailable(f"tenant `{facts.id}` is on pack `{facts.pack}`, which this server has not loaded")
        schema = pack.pack.schema
        defaults = {name: declared.default for name, declared in schema.settings.items()}
        stored = {name: value for name, value in facts.settings.items() if name in defaults}
        named = {"ref": ref(TENANT, facts.id), "type": TENANT, "id": facts.id}
        return TenantSnapshot(
            tenant=facts.id,
            revision=revision,
            pack=pack,
            entity=Entity({**defaults, **stored, **named}),
            members=facts.members,
            program=pack.program.with_rows(added=tenant_rows(facts, schema)),
        )

    async def resource(self, snapshot: TenantSnapshot, type_: ResourceType, id_: str) -> ResourceFacts:
        """Return what is stored about a resource; where its revision is another than the snapshot's, ask again.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        reference = ref(type_.name, id_)
        schema = snapshot.pack.pack.schema
        if id_ == ANY:
            return ResourceFacts(snapshot.revision, registered=False, ancestors={})
        if type_.instances is not InstanceOf.RESOURCES:
            links = _held_by_member(schema, (reference,))
            return ResourceFacts(snapshot.revision, registered=True, ancestors={}, links=RoleLinks.of(links))
        key = snapshot.tenant, reference
        held = self._resources.get(key) or self._unregistered.get(key)
        if held is not None and held.revision == snapshot.revision:
            return held
        loaded = await self._load_resource(snapshot, reference)
        (self._resources if loaded.registered else self._unregistered).put(key, loaded)
        return loaded

    async def _load_resource(self, snapshot: TenantSnapshot, reference: str) -> ResourceFacts:
        schema = snapshot.pack.pack.schema
        resource, grants, revision = await self._store.load_resource(snapshot.tenant, reference)
        if resource is None:
            return ResourceFacts(revision, registered=False, ancestors={})
        ancestors = dict(map(_by_type, resource.parents))
        waiting = list(resource.parents)
        while waiting:  # each type is entered once, so this ends
            parent = waiting.pop(0)
            declared = schema.resources.get(split_ref(parent)[0])
            if declared is None or not declared.parents:
                continue
            stored, _, at = await self._store.load_resource(snapshot.tenant, parent)
            if at != revision:
                return ResourceFacts(UNSETTLED, registered=True, ancestors={})
            for type_, name in map(_by_type, stored.parents if stored else ()):
                if type_ not in ancestors:
                    ancestors[type_] = name
                    waiting.append(name)
        links = [(grant.holder, grant.role, grant.scope) for grant in grants]
        links.extend(_held_by_member(schema, (reference, *ancestors.values())))
        return ResourceFacts(revision, True, ancestors, resource.properties, RoleLinks.of(links))


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
