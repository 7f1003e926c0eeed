"""What is wrong with a pack.yaml beyond its form: names that are not declared, cycles, rules without effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sidegate.documents.suggestions import nearest
from sidegate.documents.yaml import Document
from sidegate.errors import Fault
from sidegate.model.decision import Reason
from sidegate.policy.pack.schema import (
    BUILT_IN,
    MEMBER_BUILT_IN,
    RESOURCE_ACTIONS,
    TENANT,
    Count,
    EnforcedBy,
    HeldBy,
    InstanceOf,
    Property,
    ResourceType,
    Role,
    Schema,
)

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
_NO_DENIAL: Final = frozenset({Reason.ALLOWED_BY_RULE, Reason.NO_MATCHING_RULE})


def declaration_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    """Yield what is wrong with a pack.yaml whose form is right."""
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


def question_of(text: str) -> tuple[str, str]:
    """Return the type and the action of a `type:action`."""
    type_, _, action = text.partition(":")
    return type_, action


def questions_in(declared: str | Sequence[str]) -> list[str]:
    """Return the `type:action` texts of a key that takes one or a list of them."""
    return [declared] if isinstance(declared, str) else [*declared]


def _property_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    found_at: list[tuple[tuple[str, ...], Mapping[str, Property], frozenset[str]]] = [
        (("settings",), schema.settings, BUILT_IN),
        (("member",), schema.member, frozenset(MEMBER_BUILT_IN)),
        (("context",), schema.context, frozenset()),
    ]
    for name, type_ in schema.resources.items():
        found_at.append((("resources", name, "properties"), type_.properties or {}, BUILT_IN))
    for at, properties, taken in found_at:
        for name, declared in properties.items():
            if name in taken:
                yield document.fault((*at, name), f"`{name}` is built in; choose another name")
            if not declared.accepts(declared.default):
                message = f"`{declared.default}` is not right: expected a value of type {declared.type}"
                yield document.fault((*at, name, "default"), message)


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
        yield document.fault(path, f"`{type_.name}` is not registered one by one, so that it has no parents")
    for parent in sorted(type_.parents):
        if parent == TENANT:
            yield document.fault(path, "everything belongs to its tenant; leave `tenant` out")
        elif parent not in schema.resources:
            yield document.fault(path, f"`{parent}` is no type: {nearest(parent, schema.resources)}")


def _cycle_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    """Yield one fault for each cycle of types that are each other's parents."""
    for name in schema.resources:
        chain = _chain_to_itself(name, schema)
        if chain and name == min(chain):
            message = f"types are each other's parents: {' in '.join(f'`{link}`' for link in (*chain, name))}"
            yield document.fault(("resources", name, "parents"), message)


def _chain_to_itself(start: str, schema: Schema) -> tuple[str, ...]:
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
    """Yield each `granted_by` that names no role on the tenant, and each unknown action of `granted_with`."""
    holdable = {name for name, role in schema.roles.items() if TENANT in role.on}
    found_at: list[tuple[tuple[str, ...], frozenset[str]]] = [
        (("roles", name), role.granted_by) for name, role in schema.roles.items()
    ]
    if schema.custom_roles:
        found_at.append((("custom_roles",), schema.custom_roles.granted_by))
    for at, names in found_at:
        for name in sorted(names - holdable):
            yield document.fault((*at, "granted_by"), f"`{name}` is no role on the tenant: {nearest(name, holdable)}")
    for role in schema.roles.values():
        for scope in sorted(role.on - {TENANT}) if role.granted_with else ():
            type_ = schema.resources.get(scope)
            if type_ is not None and role.granted_with not in type_.actions:
                message = f"`{scope}` has no action `{role.granted_with}`: {nearest(role.granted_with, type_.actions)}"
                yield document.fault(("roles", role.name, "granted_with"), message)


def _operation_faults(schema: Schema, document: Document) -> Iterator[Fault]:
    found_at: list[tuple[tuple[str, ...], str, str]] = [
        (("operations", operation), *question) for operation, question in schema.operations.items()
    ]
    for type_ in schema.resources.values():
        path = ("resources", type_.name)
        for key in ("registered_with", "moved_into"):
            asked = _declared(type_, document).get(key, ())
            found_at += [((*path, key), *question_of(question)) for question in questions_in(asked)]
        given = ((key, getattr(type_, key)) for key in RESOURCE_ACTIONS)
        found_at += [((*path, key), type_.name, action) for key, action in given if action]
    for at, name, action in found_at:
        declared = schema.resources.get(name)
        if declared is None:
            yield document.fault(at, f"`{name}` is no type: {nearest(name, schema.resources)}")
        elif action not in declared.actions:
            message = f"`{name}` has no action `{action}`: {nearest(action, declared.actions)}"
            yield document.fault(at, message)


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
        types = [question_of(question)[0] for question in questions_in(given.get(key, ()))]
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
