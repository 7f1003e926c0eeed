"""What is stored about one resource, as decisions need it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sidegate.model.change import EntryKind
from sidegate.model.entry import resource_from_entry
from sidegate.model.facts import Grant, StoredResource
from sidegate.model.page import Relation
from sidegate.model.properties import NO_PROPERTIES, Properties
from sidegate.model.reference import ANY, ref, split_ref
from sidegate.model.rules import NO_LINKS, RoleLinks
from sidegate.policy.pack.schema import HeldBy, InstanceOf, ResourceType, Schema
from sidegate.ports.facts_store import FactsReader
from sidegate.replica.patches import TenantSnapshot
from sidegate.replica.view import View
from sidegate.runtime.time_slices import in_time_slices


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """What is stored about one resource: its ancestors, its properties, and the grants on it.

    It is valid for snapshots of its `lineage`, until a change is about it.
    """

    lineage: object
    registered: bool
    ancestors: Mapping[str, str]
    properties: Properties = field(default_factory=lambda: NO_PROPERTIES)
    links: RoleLinks = NO_LINKS

    def same(self, other: ResourceFacts) -> bool:
        """Return whether both hold the same facts, in any order."""
        alike = (self.registered, self.ancestors, self.properties) == (
            other.registered,
            other.ancestors,
            other.properties,
        )
        return alike and sorted(self.links.triples()) == sorted(other.links.triples())


def without_store(snapshot: TenantSnapshot, type_: ResourceType, id_: str) -> ResourceFacts | None:
    """Return the facts about a resource that need no read of the store; None where the store must be read."""
    if id_ == ANY:
        return ResourceFacts(snapshot.lineage, registered=False, ancestors={})
    if type_.instances is not InstanceOf.RESOURCES:
        links = RoleLinks.of(_held_by_member(snapshot.pack.pack.schema, (ref(type_.name, id_),)))
        return ResourceFacts(snapshot.lineage, registered=True, ancestors={}, links=links)
    return None


async def read_resource(store: FactsReader, snapshot: TenantSnapshot, reference: str) -> ResourceFacts | None:
    """Return a resource with its ancestors; None where any of them is at another revision than the snapshot.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    schema = snapshot.pack.pack.schema
    resource, grants, revision = await store.load_resource(snapshot.tenant, reference)
    if revision != snapshot.revision:
        return None
    if resource is None:
        return ResourceFacts(snapshot.lineage, registered=False, ancestors={})
    parents: dict[str, Iterable[str]] = {}
    waiting = [*resource.parents]
    while waiting:
        parent = waiting.pop()
        if parent in parents or not _has_parents(parent, schema):
            continue
        stored, _, at = await store.load_resource(snapshot.tenant, parent)
        if at != revision:
            return None
        parents[parent] = stored.parents if stored else ()
        waiting.extend(parents[parent])
    return _facts(snapshot, resource, grants, parents)


async def read_together(
    store: FactsReader, snapshot: TenantSnapshot, references: Collection[str]
) -> dict[str, ResourceFacts] | None:
    """Return any number of resources in one read, as `read_resource` does; None where they are at another revision.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    schema = snapshot.pack.pack.schema
    stored, grants, revision = await store.load_resources(snapshot.tenant, references)
    if revision != snapshot.revision:
        return None
    parents = {one: resource.parents for one, resource in stored.items() if _has_parents(one, schema)}
    held: dict[str, list[Grant]] = {}
    for grant in grants:
        held.setdefault(grant.scope, []).append(grant)
    unregistered = ResourceFacts(snapshot.lineage, registered=False, ancestors={})
    return {
        one: _facts(snapshot, stored[one], held.get(one, ()), parents) if one in stored else unregistered
        for one in references
    }


async def read_resources(view: View, snapshot: TenantSnapshot, references: Collection[str]) -> dict[str, ResourceFacts]:
    """Return those resources that are registered, as `read_resource` does, any number of them in a few reads.

    Raises:
        RevisionConflict: any of them is at another revision than the snapshot.
        StoreUnavailable: the store does not answer.
    """
    schema = snapshot.pack.pack.schema
    stored = await _entries(view, references)
    slices = in_time_slices(stored.items())
    resources = [resource_from_entry(reference, payload) async for reference, payload in slices]
    parents: dict[str, Iterable[str]] = {}
    waiting = {parent for resource in resources for parent in resource.parents}
    while waiting := {one for one in waiting - parents.keys() if _has_parents(one, schema)}:
        above = await _entries(view, waiting)
        parents |= {one: above[one]["parents"] if one in above else () for one in waiting}
        waiting = {parent for one in waiting for parent in parents[one]}
    held: dict[str, list[Grant]] = {}
    for _, key in await view.related(Relation.GRANTS_ON, *stored):
        held.setdefault(key[1], []).append(Grant(*key))
    return {
        resource.ref: _facts(snapshot, resource, held.get(resource.ref, ()), parents)
        async for resource in in_time_slices(resources)
    }


async def _entries(view: View, references: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Return the entries of those that are registered, in the order of `references`."""
    await view.load((EntryKind.RESOURCE, (reference,)) for reference in references)
    found = {reference: await view.entry(EntryKind.RESOURCE, reference) for reference in references}
    return {reference: payload for reference, payload in found.items() if payload is not None}


def _has_parents(reference: str, schema: Schema) -> bool:
    declared = schema.resources.get(split_ref(reference)[0])
    return declared is not None and bool(declared.parents)


def _facts(
    snapshot: TenantSnapshot, resource: StoredResource, grants: Iterable[Grant], parents: Mapping[str, Iterable[str]]
) -> ResourceFacts:
    """Return what is stored about a resource; `parents` maps each ancestor to its parents."""
    ancestors = dict(map(_by_type, resource.parents))
    # In order, so that all sidecars choose the same of two ancestors of a type; each type is set once, so this ends.
    waiting = sorted(resource.parents)
    while waiting:
        for type_, name in map(_by_type, sorted(parents.get(waiting.pop(0), ()))):
            if type_ not in ancestors:
                ancestors[type_] = name
                waiting.append(name)
    links = [(grant.holder, grant.role, grant.scope) for grant in grants]
    links.extend(_held_by_member(snapshot.pack.pack.schema, (resource.ref, *ancestors.values())))
    return ResourceFacts(snapshot.lineage, True, ancestors, resource.properties, RoleLinks.of(links))


def _by_type(reference: str) -> tuple[str, str]:
    return split_ref(reference)[0], reference


def _held_by_member(schema: Schema, references: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return the links of resources declared `of: member`: that member holds their `held_by: member` roles."""
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
