"""The properties, roles and scopes that a condition may name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidegate.documents.suggestions import nearest
from sidegate.engine.language.parser import Syntax
from sidegate.policy.pack.schema import (
    BUILT_IN,
    MEMBER_BUILT_IN,
    TENANT,
    Property,
    ResourceType,
    Schema,
    Source,
    default_of,
)


@dataclass(frozen=True, slots=True)
class ConditionNames:
    """What a condition may name: properties of `r.sub`, `r.dom` and `r.env`, of each matching type, roles, scopes."""

    entities: Mapping[str, Mapping[str, Property]]
    resources: Mapping[str, Mapping[str, Property]]
    tenant_roles: frozenset[str]
    roles: frozenset[str]
    scopes: frozenset[str]

    def declared(self, entity: str, name: str) -> tuple[Property, ...]:
        """Return the property `r.entity.name`; for `r.obj` as each matching type declares it.

        Raises:
            Syntax: it is not declared, or not by every matching type, or with different types.
        """
        if entity == "obj":
            return self._of_resources(name)
        known = self.entities.get(entity)
        if known is None:
            raise Syntax(f"`r.{entity}` is text, it has no `{name}`")
        if name not in known:
            raise Syntax(f"`r.{entity}.{name}` is not declared: {nearest(name, known)}")
        return (known[name],)

    def _of_resources(self, name: str) -> tuple[Property, ...]:
        for type_, known in self.resources.items():
            if name not in known:
                raise Syntax(f"`r.obj.{name}`: type `{type_}` declares no such property: {nearest(name, known)}")
        found = tuple(known[name] for known in self.resources.values())
        if len({declared.type for declared in found}) > 1:
            raise Syntax(f"`r.obj.{name}` is not of one type on {', '.join(sorted(self.resources))}")
        return found


def condition_names(schema: Schema, types: Iterable[ResourceType]) -> ConditionNames:
    """Return what the condition of a row that matches `types` may name."""
    matching = tuple(types)
    member = _built_in(MEMBER_BUILT_IN)
    built_in = _built_in(dict.fromkeys(BUILT_IN, "string"))
    return ConditionNames(
        entities={"sub": {**schema.member, **member}, "dom": {**schema.settings, **built_in}, "env": schema.context},
        resources={type_.name: {**(type_.properties or {}), **built_in} for type_ in matching},
        tenant_roles=frozenset(role.name for role in schema.roles.values() if TENANT in role.on),
        roles=frozenset(schema.roles),
        scopes=frozenset(name for type_ in matching for name in schema.scopes_of(type_.name)),
    )


def _built_in(types: Mapping[str, str]) -> dict[str, Property]:
    return {name: Property(name, type_, Source.STORED, default_of(type_)) for name, type_ in types.items()}
