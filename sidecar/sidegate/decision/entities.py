"""Builds what conditions see: stored facts first, then the request's claims where the pack asks for them."""

from __future__ import annotations

from collections.abc import Mapping

from sidegate.engine.language.entity import Entity
from sidegate.errors import InvalidInput, Violation
from sidegate.model.facts import Member
from sidegate.model.properties import Json, Properties
from sidegate.model.question import Request, Resource
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import Property, ResourceType, Schema, Source
from sidegate.replica.resource import ResourceFacts


def subject_entity(request: Request, member: Member, schema: Schema) -> Entity:
    """Return the subject: the stored member, and claims that the pack declares as the request's to make.

    Raises:
        InvalidInput: a claim is of another type than declared.
    """
    declared = _declared(schema.member, request.subject.properties, "subject.properties")
    stored: dict[str, object] = {
        "ref": ref("member", member.id),
        "type": "member",
        "id": member.id,
        "status": str(member.status),
        "name": member.name,
        "email": member.email,
        "mfa": member.mfa,
        "quota": member.quota or 0,
    }
    return Entity({**declared, **stored})


def resource_entity(resource: Resource, type_: ResourceType, facts: ResourceFacts) -> Entity:
    """Return the resource: what is stored about it, claims where declared, and defaults for the rest.

    Raises:
        InvalidInput: a claim is of another type than declared.
    """
    reference = ref(resource.type, resource.id)
    properties = _declared(type_.properties or {}, resource.properties, "resource.properties")
    for name, value in facts.properties.items():
        if type_.properties and (known := type_.properties.get(name)) and known.source is Source.STORED:
            properties[name] = value
    properties.update(ref=reference, type=resource.type, id=resource.id)
    return Entity(properties, {**facts.ancestors, resource.type: reference})


def context_entity(context: Properties, schema: Schema) -> Entity:
    """Return the context that the pack declares.

    Raises:
        InvalidInput: a value is of another type than declared.
    """
    return Entity(_declared(schema.context, context, "context"))


def require_claims(request: Request, type_: ResourceType, schema: Schema) -> None:
    """Refuse claims that no decision could be made from, whatever is stored.

    Raises:
        InvalidInput: a claim is of another type than declared.
    """
    _declared(schema.member, request.subject.properties, "subject.properties")
    _declared(type_.properties or {}, request.resource.properties, "resource.properties")
    _declared(schema.context, request.context, "context")


def _declared(declared: Mapping[str, Property], claims: Properties, field: str) -> dict[str, object]:
    """Return every declared property: the claim where the request may make it, else the default."""
    values: dict[str, object] = {}
    for name, known in declared.items():
        if known.source is Source.REQUEST and name in claims:
            values[name] = _checked(claims[name], known, f"{field}.{name}")
        else:
            values[name] = known.default
    return values


def _checked(value: Json, known: Property, field: str) -> object:
    if not known.accepts(value):
        raise InvalidInput(Violation(field, f"`{value}` is not right: the pack declares it as {known.type}"))
    return tuple(value) if isinstance(value, list) else value
