"""Registered resources, their parents and properties, and the settings of the tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from sidegate.documents.suggestions import nearest, one_of
from sidegate.facts.checks.case import Case
from sidegate.facts.checks.cycles import chain_text, cycles
from sidegate.facts.entry_fault import EntryFault
from sidegate.model.change import EntryKind
from sidegate.model.facts import StoredResource
from sidegate.model.properties import Json
from sidegate.model.reference import split_ref
from sidegate.policy.pack.schema import InstanceOf, Property, ResourceType, Source


def check_settings(case: Case) -> Iterator[EntryFault]:
    """Yield each setting that the pack does not declare, or of another type than declared."""
    for name, value in case.facts.settings.items():
        if message := _wrong_value(name, value, case.schema.settings, what="setting"):
            yield EntryFault(EntryKind.TENANT, (), message, ("settings", name))


def check_resources(case: Case) -> Iterator[EntryFault]:
    """Yield what is wrong with each registered resource, and each chain of parents that leads back into itself."""
    registrable = [n for n, declared in case.schema.resources.items() if declared.instances is InstanceOf.RESOURCES]
    for resource in case.facts.resources.values():
        declared = case.schema.resources.get(resource.type)
        if declared is None:
            hint = nearest(resource.type, registrable)
            yield _fault(resource, f"unknown resource type `{resource.type}` of pack `{case.schema.name}`: {hint}")
        elif declared.instances is not InstanceOf.RESOURCES:
            message = f"a `{resource.type}` is there with each {declared.instances}, not registered here"
            yield _fault(resource, f"{message}: {one_of(registrable)}")
        else:
            yield from _check_parents(case, resource, declared)
            yield from _check_properties(resource, declared)
    yield from _check_cycles(case)


def _check_parents(case: Case, resource: StoredResource, declared: ResourceType) -> Iterator[EntryFault]:
    first: defaultdict[str, str] = defaultdict(str)
    for parent in sorted(resource.parents):
        type_, _ = split_ref(parent)
        if type_ not in declared.parents:
            message = f"a `{resource.type}` can't be under `{parent}`: {_parents(declared.parents)}"
            yield _fault(resource, message, "parents", parent)
        elif absence := case.absence(parent):
            yield _fault(resource, absence, "parents", parent)
        if (other := first.setdefault(type_, parent)) != parent:
            message = f"`{parent}` is a second parent of type `{type_}`, beside `{other}`: expected one of each type"
            yield _fault(resource, message, "parents", parent)


def _parents(types: frozenset[str]) -> str:
    return "expected " + " or ".join(f"`{type_}:…`" for type_ in sorted(types)) if types else "it takes no parents"


def _check_properties(resource: StoredResource, declared: ResourceType) -> Iterator[EntryFault]:
    properties = declared.properties or {}
    for name, value in resource.properties.items():
        if message := _wrong_value(name, value, properties, what=f"property of `{resource.type}`"):
            yield _fault(resource, message, "properties", name)


def _wrong_value(name: str, value: Json, declared: Mapping[str, Property], *, what: str) -> str | None:
    storable = {key: one for key, one in declared.items() if one.source is Source.STORED}
    if name in declared and name not in storable:
        return f"`{name}` comes with each request and is not stored: {one_of(storable)}"
    if name not in storable:
        return f"unknown {what} `{name}`: {nearest(name, storable)}"
    if not storable[name].accepts(value):
        return f"`{value if isinstance(value, str) else _shown(value)}` is not right: expected {_kind(storable[name])}"
    return None


def _shown(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(declared: Property) -> str:
    kinds = {
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "list": "a list of texts",
    }
    return kinds[declared.type]


def _check_cycles(case: Case) -> Iterator[EntryFault]:
    above = {reference: sorted(resource.parents) for reference, resource in case.facts.resources.items()}
    for chain in cycles(above):
        message = f"a cycle of parents, {chain_text(chain)}: expected nothing under itself"
        yield _fault(case.facts.resources[chain[-2]], message, "parents", chain[-1])


def _fault(resource: StoredResource, message: str, *detail: str) -> EntryFault:
    return EntryFault(EntryKind.RESOURCE, (resource.ref,), message, detail)
