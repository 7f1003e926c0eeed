"""Documents checked against a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from jsonschema_rs import ValidationError, ValidationErrorKind, Validator, validator_for

from sidegate.documents.suggestions import listed, nearest
from sidegate.documents.yaml import Document, key_of
from sidegate.errors import Fault
from sidegate.model.identifiers import visible


def check_schema(document: Document, schema: str) -> tuple[Fault, ...]:
    """Return where a document violates a packaged JSON Schema, in the document's order."""
    root, validator = _schema(schema)
    if validator.is_valid(document.value):
        return ()
    errors = map(_deepest, validator.iter_errors(document.value))
    faults = dict.fromkeys(fault for error in errors for fault in _faults(document, error, root))
    order = {key_of(path): position for position, path in enumerate(document.lines)}
    return tuple(sorted(faults, key=lambda fault: (fault.line, order.get(fault.key, 0))))


def schema_text(schema: str) -> str:
    """Return a packaged JSON Schema: `callers`, `facts`, `pack` or `policy-test`."""
    return resources.files("sidegate").joinpath("schemas", f"{schema}.schema.json").read_text(encoding="utf-8")


@cache
def _schema(schema: str) -> tuple[Mapping[str, Any], Validator]:
    root = json.loads(schema_text(schema))
    return root, validator_for(root)


def _deepest(error: ValidationError) -> ValidationError:
    """Return the part of an `anyOf` that came closest; the error itself where there is none."""
    while isinstance(error.kind, ValidationErrorKind.AnyOf):
        parts = [part for branch in error.kind.context for part in branch]
        error = max(parts, key=lambda part: (len(part.instance_path), part.schema_path[-1] != "type"))
    return error


def _faults(document: Document, error: ValidationError, root: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what one error of the validator says, which may be about several keys."""
    path, kind = tuple(error.instance_path), error.kind
    if isinstance(kind, ValidationErrorKind.AdditionalProperties):
        known = _part(root, error).get("properties", {})
        for key in kind.unexpected:
            yield document.fault((*path, key), f"unknown key `{visible(key)}`: {nearest(key, known)}")
    elif isinstance(kind, ValidationErrorKind.Required):
        yield document.fault(path, f"`{kind.property}` is missing")
    elif isinstance(kind, ValidationErrorKind.PropertyNames):
        yield document.fault((*path, str(kind.error.instance)), _expectation(kind.error, root))
    else:
        yield document.fault(path, _expectation(error, root))


def _expectation(error: ValidationError, root: Mapping[str, Any]) -> str:
    schema = _part(root, error)
    word = error.schema_path[-1]
    rule = schema[str(word)]
    shown = f"`{_short(error.instance)}`"
    said = schema.get("description", "")
    match word:
        case "type":
            kinds = rule if isinstance(rule, list) else [rule]
            return f"{shown} is not right: expected {' or '.join(map(_kind, kinds))}"
        case "enum":
            return f"{shown} is not right: expected one of {listed([str(v) for v in rule])}"
        case "pattern" | "maxLength" | "minLength" | "not":
            return f"{shown} is not right: expected {said or f'text like {rule}'}"
        case "minimum" | "maximum":
            bound = "least" if word == "minimum" else "most"
            return f"{shown} is not right: expected a number of at {bound} {rule}"
        case _:
            return f"{shown} is not right: {said or error.message}"


def _part(root: Mapping[str, Any], error: ValidationError) -> Mapping[str, Any]:
    """Return the part of a schema that an error is about."""
    part: Any = root
    for step in error.schema_path[:-1]:
        part = part[step]
    found: Mapping[str, Any] = part
    return found


def _kind(name: str) -> str:
    return {"object": "a mapping", "array": "a list", "string": "text", "null": "nothing"}.get(name, f"{name}")


def _short(value: object, limit: int = 60) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return visible(text if len(text) <= limit else text[: limit - 1] + "…")
