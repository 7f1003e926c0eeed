"""From pack.yaml to a Schema."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sidegate.documents.json_schema import check_schema
from sidegate.documents.yaml import Document
from sidegate.errors import Fault
from sidegate.model.decision import Obligation
from sidegate.policy.pack.schema import (
    RESOURCE_ACTIONS,
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
    default_of,
)
from sidegate.policy.pack.schema_checks import declaration_faults, question_of, questions_in


def read_schema(document: Document) -> tuple[Schema | None, tuple[Fault, ...]]:
    """Return what a pack.yaml declares, None where its form is wrong, and all faults in it."""
    faults = check_schema(document, "pack")
    if faults:
        return None, faults
    schema = _schema(document.value)
    found = sorted(declaration_faults(schema, document), key=lambda fault: fault.line)
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
        custom_matcher=value.get("matcher") == "custom",
        rules={id_: _rule(id_, given) for id_, given in value["rules"].items()},
        operations={Operation(name): question_of(given) for name, given in value.get("operations", {}).items()},
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


def _role(name: str, given: Any) -> Role:
    return Role(
        name,
        frozenset(given["on"]),
        Count(given.get("count", Count.ANY)),
        HeldBy(given.get("held_by", HeldBy.GRANT)),
        granted_by=frozenset(given.get("granted_by", ())),
        granted_with=given.get("granted_with", ""),
    )


def _custom_roles(given: Any, types: frozenset[str]) -> CustomRoles | None:
    if given is None:
        return None
    touched = types if given["types"] == "*" else frozenset(given["types"])
    return CustomRoles(given["rule"], touched, frozenset(given.get("granted_by", ())))


def _questions(given: Any) -> Mapping[str, str]:
    """Return one `type:action` or a list of them as actions by their types; of a type named twice, the last."""
    return MappingProxyType(dict(map(question_of, questions_in(given))))


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
        **{name: given.get(name, "") for name in RESOURCE_ACTIONS},
    )


def _rule(id_: str, given: Any) -> Rule:
    return Rule(
        id_,
        given["text"],
        given.get("reason", ""),
        tuple(map(Obligation, given.get("obligations", ()))),
        frozenset(map(EnforcedBy, given.get("enforced_by", (EnforcedBy.RULES,)))),
    )
