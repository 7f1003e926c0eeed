"""From pack.yaml to a Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from sidegate.documents.json_schema import check_schema
from sidegate.documents.suggestions import nearest
from sidegate.documents.yaml import Document
from sidegate.errors import Fault
from sidegate.model.decision import Obligation, Reason
from sidegate.model.properties import Json
from sidegate.policy.pack.schema import (
    TENANT,
    Count,
    CustomRoles,
    EnforcedBy,
    HeldBy,
    InstanceOf,
    Operation,
    Property,
    ResourceType,
    Role,
    Rule,
    Schema,
    Source,
)

BUILT_IN: Final = frozenset({"ref", "type", "id"})
"""The properties that subjects, resources and tenants always have; all three are strings."""
MEMBER_BUILT_IN: Final[Mapping[str, str]] = {
    "ref": "string",
    "type": "string",
    "id": "string",
    "status": "string",
    "name": "string",
    "email": "string",
    "mfa": "boolean",
    "quota": "integer",
}
"""The properties that every subject has, with their types."""
MEMBERSHIP_REASONS: Final = frozenset(
    {
        Reason.TENANT_UNKNOWN,
        Reason.TENANT_SUSPENDED,
        Reason.NOT_A_MEMBER,
        Reason.MEMBER_PENDING,
        Reason.MEMBER_INACTIVE,
        Reason.UNKNOWN_RESOURCE_TYPE,
        Reason.UNKNOWN_ACTION,
    }
)
"""The reasons that are decided before any row."""
ACTIONS_ON_ONE: Final[Mapping[str, str]] = {
    "viewed_with": "Viewed",
    "monitored_with": "Monitored, by activity and counts,",
    "cloned_with": "Cloned",
    "updated_with": "Its properties are set",
    "moved_with": "Moved",
    "deleted_with": "Deleted",
}
"""What is done to a registered resource by who is allowed an action on it, in words."""
_DEFAULTS: Final[Mapping[str, Json]] = {"string": "", "integer": 0, "number": 0.0, "boolean": False}
_NO_DENIAL: Final = frozenset({Reason.ALLOWED_BY_RULE, Reason.NO_MATCHING_RULE})


def read_schema(document: Document) -> tuple[Schema | None, tuple[Fault, ...]]:
    """Return what a pack.yaml declares, None where its form is wrong, and every fault in it."""
    faults = check_schema(document, "pack")
    if faults:
        return None, faults
    schema = _schema(document.value)
    found = sorted(_faults(schema, document), key=lambda fault: fault.line)
    return schema, tuple(found)


def _schema(value: Any) -> Schema:
    resources = {name: _resource(name, given) for name, given in value["resources"].items()}
    return Schema(
        name=value["name"],
        description=value["description"],
        settings=_properties(value.get("settings", {}), Source.STORED),
        member=_properties(value.get("member", {}), Source.STORED),
        context=_properties(value.get("context", {}), Source.REQUEST),
        roles={name: _role(name, given) for name, given in value["roles"].items()},
        custom_roles=_custom_roles(value.get("custom_roles"), frozenset(resources)),
        one_role_per_member=value.get("one_role_per_member", False),
        resources=resources,
        rules={id_: _rule(id_, given) for id_, given in value["rules"].items()},
        operations={Operation(name): _question(given) for name, given in value.get("operations", {}).items()},
    )


def _properties(given: Any, source: Source) -> dict[str, Property]:
    return {
        name: Property(
            name,
            declared["type"],
            Source(declared.get("from", source)),
            declared.get("default", default_of(declared["type"])),
        )
        for name, declared in given.items()
    }


def default_of(type_: str) -> Json:
    """Return the value of a property of this type where no default is declared."""
    return [] if type_ == "list" else _DEFAULTS[type_]


def _role(name: str, given: Any) -> Role:
    return Role(
        name,
        frozenset(given["on"]),
        Count(given.get("count", Count.ANY)),
        HeldBy(given.get("held_by", HeldBy.GRANT)),
        granted_by=frozenset(given.get("granted_by", ())),
        granted_with=given.get("granted_with", ""),
    )


def _question(given: str) -> tuple[str, str]:
    type_, _, action = given.partition(":")
    return type_, action


def _custom_roles(given: Any, types: frozenset[str]) -> CustomRoles | None:
    if given is None:
        return None
    touched = types if given["types"] == "*" else frozenset(given["types"])
    return CustomRoles(given["rule"], touched, frozenset(given.get("granted_by", ())))


def _questions(given: Any) -> Mapping[str, str]:
    """Return one `type:action` or a list of them as actions by their types; of a type named twice, the last."""
    return MappingProxyType(dict(map(_question, _listed(given))))


def _listed(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _on_parents(questions: Mapping[str, str], name: str) -> Mapping[str, str]:
    return MappingProxyType({type_: action for type_, action in questions.items() if type_ != name})


def _resource(name: str, given: Any) -> ResourceType:
    registered = _questions(given.get("registered_with", ()))
    return ResourceType(
        name,
        tuple(given["actions"]),
        frozenset(given.get("parents", ())),
        InstanceOf(given.get("of", InstanceOf.RESOURCES)),
        _properties(given.get("properties", {}), Source.STORED),
        registered_with=registered,
        moved_into=_questions(given["moved_into"]) if "moved_into" in given else _on_parents(registered, name),
        **{name: given.get(name, "") for name in ACTIONS_ON_ONE},
    )


def _rule(id_: str, given: Any) -> Rule:
    return Rule(
        id_,
        given["text"],
        given.get("reason", ""),
        tuple(map(Obligation, given.get("obligations", ()))),
        frozenset(map(EnforcedBy, given.get("enforced_by", (EnforcedBy.RULES,)))),
    )


# --- what a form can't say ---------------------------------------------------------------------------


def _faults(schema: Schema, document: Document) -> Iterator[Fault]:
    yield from _property_faults(schema, document)
    for role in schema.roles.values():
        yield from _role_faults(role, schema, document)
    for type_ in schema.resources.values():
        yield from _resource_faults(type_, schema, document)
    yield from _cycle_faults(schema, document)
    yield from _custom_role_faults(schema, document)
    yield from _authority_faults(schema, document)
    yield from _operation_faults(schema, document)
    for type_ in schema.resources.values():
        yield from _parent_question_faults(type_, schema, document)
    yield from _rule_faults(schema, document)


def _property_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    places: list[tuple[tuple[str, ...], Mapping[str, Property], frozenset[str]]] = [
        (("settings",), schema.settings, BUILT_IN),
        (("member",), schema.member, frozenset(MEMBER_BUILT_IN)),
        (("context",), schema.context, frozenset()),
    ]
    for name, type_ in schema.resources.items():
        places.append((("resources", name, "properties"), type_.properties or {}, BUILT_IN))
    for place, properties, taken in places:
        for name, declared in properties.items():
            if name in taken:
                yield document.fault((*place, name), f"`{name}` is built in; choose another name")
            if not declared.accepts(declared.default):
                message = f"`{declared.default}` is not right: expected a value of type {declared.type}"
                yield document.fault((*place, name, "default"), message)


def _role_faults(role: Role, schema: Schema, document: Document) -> Iterator[Fault]:
    path = ("roles", role.name)
    for name in sorted(role.on):
        type_ = schema.resources.get(name)
        if type_ is None:
            if name != TENANT:
                hint = nearest(name, {TENANT, *schema.resources})
                yield document.fault((*path, "on"), f"`{name}` is no type: {hint}")
        elif role.held_by is not HeldBy.GRANT and type_.instances.value != role.held_by.value:
            message = f"`held_by: {role.held_by}` needs types declared `of: {role.held_by}`; `{name}` is not"
            yield document.fault((*path, "on"), message)
    if role.held_by is not HeldBy.GRANT:
        if role.count is not Count.ANY:
            yield document.fault((*path, "count"), f"`held_by: {role.held_by}` decides who holds it; leave `count` out")
        if TENANT in role.on:
            message = f"`held_by: {role.held_by}` can't be on the tenant; on types declared `of: {role.held_by}` it can"
            yield document.fault((*path, "on"), message)


def _resource_faults(type_: ResourceType, schema: Schema, document: Document) -> Iterator[Fault]:
    path = ("resources", type_.name, "parents")
    if type_.parents and (type_.instances is not InstanceOf.RESOURCES or type_.name == TENANT):
        yield document.fault(path, f"`{type_.name}` is not registered one by one, so nothing says what it stands in")
    for parent in sorted(type_.parents):
        if parent == TENANT:
            yield document.fault(path, "everything stands in its tenant; leave `tenant` out")
        elif parent not in schema.resources:
            yield document.fault(path, f"`{parent}` is no type: {nearest(parent, schema.resources)}")


def _cycle_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    """Yield one fault per type that would stand in itself."""
    for name in schema.resources:
        chain = _way_back(name, schema)
        if chain and name == min(chain):
            message = f"types stand in each other: {' in '.join(f'`{link}`' for link in (*chain, name))}"
            yield document.fault(("resources", name, "parents"), message)


def _way_back(start: str, schema: Schema) -> tuple[str, ...]:
    """Return the shortest chain of parents that leads back to `start`, empty where there is none."""
    waiting: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    for chain in waiting:
        type_ = schema.resources.get(chain[-1])
        for parent in sorted(type_.parents) if type_ else ():
            if parent == start:
                return chain
            if parent not in seen:
                seen.add(parent)
                waiting.append((*chain, parent))
    return ()


def _custom_role_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    custom = schema.custom_roles
    if custom is None:
        return
    if custom.rule not in schema.rules:
        message = f"`{custom.rule}` is no rule: {nearest(custom.rule, schema.rules)}"
        yield document.fault(("custom_roles", "rule"), message)
    for name in sorted(custom.types - schema.resources.keys()):
        message = f"`{name}` is no type: {nearest(name, schema.resources)}"
        yield document.fault(("custom_roles", "types"), message)


def _authority_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    """Yield each role that should give authority and can't be held on the tenant, and each unknown action."""
    holdable = {name for name, role in schema.roles.items() if TENANT in role.on}
    places: list[tuple[tuple[str, ...], frozenset[str]]] = [
        (("roles", name), role.granted_by) for name, role in schema.roles.items()
    ]
    if schema.custom_roles:
        places.append((("custom_roles",), schema.custom_roles.granted_by))
    for place, names in places:
        for name in sorted(names - holdable):
            yield document.fault(
                (*place, "granted_by"), f"`{name}` is no role on the tenant: {nearest(name, holdable)}"
            )
    for role in schema.roles.values():
        for scope in sorted(role.on - {TENANT}) if role.granted_with else ():
            type_ = schema.resources.get(scope)
            if type_ is not None and role.granted_with not in type_.actions:
                message = f"`{scope}` has no action `{role.granted_with}`: {nearest(role.granted_with, type_.actions)}"
                yield document.fault(("roles", role.name, "granted_with"), message)


def _operation_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    places: list[tuple[tuple[str, ...], str, str]] = [
        (("operations", operation), *question) for operation, question in schema.operations.items()
    ]
    for type_ in schema.resources.values():
        path = ("resources", type_.name)
        for key in ("registered_with", "moved_into"):
            asked = _declared(type_, document).get(key, ())
            places += [((*path, key), *_question(question)) for question in _listed(asked)]
        given = ((key, getattr(type_, key)) for key in ACTIONS_ON_ONE)
        places += [((*path, key), type_.name, action) for key, action in given if action]
    for place, name, action in places:
        declared = schema.resources.get(name)
        if declared is None:
            yield document.fault(place, f"`{name}` is no type: {nearest(name, schema.resources)}")
        elif action not in declared.actions:
            message = f"`{name}` has no action `{action}`: {nearest(action, declared.actions)}"
            yield document.fault(place, message)


def _declared(type_: ResourceType, document: Document) -> Mapping[str, Any]:
    """Return what pack.yaml declares for a resource type."""
    whole: Any = document.value
    found: Mapping[str, Any] = whole["resources"][type_.name]
    return found


def _parent_question_faults(type_: ResourceType, schema: Schema, document: Document) -> Iterator[Fault]:
    """Yield which types that exist are wrong in `registered_with` and `moved_into`."""
    path = ("resources", type_.name)
    given = _declared(type_, document)
    for key, known in (("registered_with", {type_.name, *type_.parents}), ("moved_into", type_.parents)):
        types = [_question(question)[0] for question in _listed(given.get(key, ()))]
        for name in sorted({*types} & schema.resources.keys()):
            if name not in known:
                itself = " or the type itself" if type_.name in known else ""
                message = f"`{name}` is not right: expected a parent of `{type_.name}`{itself}"
                yield document.fault((*path, key), message)
            elif types.count(name) > 1:
                yield document.fault((*path, key), f"`{name}` is named twice; one action of a type is asked about")
    if "moved_into" in given and not type_.moved_with:
        yield document.fault((*path, "moved_into"), "nobody moves a resource without `moved_with`; declare it too")


def _rule_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    owners: dict[str, str] = {}
    for rule in schema.rules.values():
        path = ("rules", rule.id, "reason")
        if rule.reason in _NO_DENIAL:
            yield document.fault(path, f"`{rule.reason}` is not the reason of a denial; choose another")
        if EnforcedBy.MEMBERSHIP not in rule.enforced_by or not rule.reason:
            continue
        if rule.reason not in MEMBERSHIP_REASONS:
            hint = nearest(rule.reason, MEMBERSHIP_REASONS)
            yield document.fault(path, f"`{rule.reason}` is not decided by membership: {hint}")
        elif (other := owners.setdefault(rule.reason, rule.id)) != rule.id:
            yield document.fault(path, f"`{rule.reason}` already belongs to rule `{other}`; one rule has it")
