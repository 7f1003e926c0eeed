"""Documents checked against a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from jsonschema_rs import ValidationError, ValidationErrorKind, Validator, validator_for

from sidegate.documents.limits import first_faults
from sidegate.documents.pieces import pieces
from sidegate.documents.suggestions import listed, nearest
from sidegate.documents.yaml import Document, Path
from sidegate.errors import Fault
from sidegate.model.identifiers import visible

_PIECE: Final = 5_000
"""How many values are checked together once a document has errors."""


def check_schema(document: Document, schema: str, *, piece: int = _PIECE) -> tuple[Fault, ...]:
    """Return where a document violates a packaged JSON Schema, in the document's order, up to a number of faults.

    The validator makes all errors of what it is given, two kilobytes each, so it is given a piece at a time.
    """
    root, validator = _schema(schema)
    if validator.is_valid(document.value):
        return ()
    return tuple(first_faults(_in_order(document, root, validator, piece)))


def _in_order(document: Document, root: Mapping[str, Any], validator: Validator, size: int) -> Iterator[Fault]:
    positions = {path: position for position, path in enumerate(document.lines)}
    seen: set[object] = set()
    for piece in pieces(document.value, size):
        if validator.is_valid(piece.value):
            continue
        found: dict[Fault, int] = {}
        for error in map(_deepest, validator.iter_errors(piece.value)):
            path = piece.path(error.instance_path)
            if len(path) <= len(piece.prefix) and _is_known(document, error, path, seen):
                continue
            for at, message in _messages(error, path, root):
                found.setdefault(document.fault(at, message), positions.get(at, 0))
        new = [fault for fault in found if fault not in seen]
        yield from sorted(new, key=lambda fault: (fault.line, found[fault]))
        seen |= found.keys()


def _is_known(document: Document, error: ValidationError, path: Path, seen: set[object]) -> bool:
    """Return whether an error of a value that many pieces have a part of is untrue of the whole, or was seen."""
    kind = error.kind
    if isinstance(kind, ValidationErrorKind.Required):
        whole = document.at(path)
        return isinstance(whole, dict) and kind.property in whole
    if isinstance(kind, ValidationErrorKind.AdditionalProperties | ValidationErrorKind.PropertyNames):
        return False
    known = (path, kind.name) in seen
    seen.add((path, kind.name))
    return known


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


def _messages(error: ValidationError, path: Path, root: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield what one error of the value at `path` says, which may be about several keys, each with its path."""
    kind = error.kind
    if isinstance(kind, ValidationErrorKind.AdditionalProperties):
        known = _part(root, error).get("properties", {})
        for key in kind.unexpected:
            yield (*path, key), f"unknown key `{visible(key)}`: {nearest(key, known)}"
    elif isinstance(kind, ValidationErrorKind.Required):
        yield path, f"`{kind.property}` is missing"
    elif isinstance(kind, ValidationErrorKind.PropertyNames):
        yield (*path, str(kind.error.instance)), _expectation(kind.error, root)
    else:
        yield path, _expectation(error, root)


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
