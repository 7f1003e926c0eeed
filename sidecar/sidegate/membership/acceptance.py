"""A quick yes for documents that keep to their JSON Schema.

Explaining a fault is the work of a full validator, which takes ten times as long on a hundred thousand
members; this one compiles the same schema into predicates, so that only a faulty document waits for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

from sidegate.documents import schema_text

Accepts: TypeAlias = Callable[[Any], bool]

_NOTES = frozenset({"$schema", "$id", "$defs", "title", "description", "default"})


@cache
def acceptor(schema: str) -> Accepts:
    """Return a predicate that is true of exactly the values that a packaged JSON Schema accepts.

    Raises:
        NotImplementedError: the schema uses a keyword that is not known here.
    """
    return _Compiler(json.loads(schema_text(schema))).compiled


class _Compiler:
    """Compiles one schema; definitions are compiled once and looked up when they are used."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._definitions: dict[str, Accepts] = {}
        for name, definition in root.get("$defs", {}).items():
            self._definitions[f"#/$defs/{name}"] = self._all_of(definition)
        self.compiled = self._all_of(root)

    def _all_of(self, schema: Mapping[str, Any]) -> Accepts:
        both = "properties" in schema and "additionalProperties" in schema
        skipped = {*_NOTES, "properties"} if both else _NOTES
        checks = [self._keyword(word, schema) for word in schema if word not in skipped]
        if len(checks) == 1:
            return checks[0]
        return lambda value: all(check(value) for check in checks)

    def _keyword(self, word: str, schema: Mapping[str, Any]) -> Accepts:
        rule = schema[word]
        if word == "$ref":
            return self._definition(rule)
        if word in {"properties", "additionalProperties"}:
            return self._properties(schema)
        if word in {"items", "propertyNames"}:
            kind, every = (list if word == "items" else dict), self._all_of(rule)
            return lambda value: not isinstance(value, kind) or all(map(every, value))
        if word in _OF_ONE_VALUE:
            return _OF_ONE_VALUE[word](rule)
        raise NotImplementedError(f"JSON Schema keyword `{word}`")

    def _definition(self, name: str) -> Accepts:
        def accepts(value: Any) -> bool:
            # Looked up at each use, since definitions refer to later ones.
            return self._definitions[name](value)

        return accepts

    def _properties(self, schema: Mapping[str, Any]) -> Accepts:
        known = {name: self._all_of(part) for name, part in schema.get("properties", {}).items()}
        rule = schema.get("additionalProperties", True)
        others: Accepts = (lambda _: rule) if isinstance(rule, bool) else self._all_of(rule)
        return lambda value: (
            not isinstance(value, dict) or all(known.get(key, others)(part) for key, part in value.items())
        )


def _of_type(names: list[str]) -> Accepts:
    classes = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    plain = tuple(classes[name] for name in names if name in classes)
    number, integer = "number" in names, "integer" in names

    def accepts(value: Any) -> bool:
        if isinstance(value, plain):
            return True
        return _is_number(value) and (number or (integer and (isinstance(value, int) or value.is_integer())))

    return accepts


def _pattern(rule: str) -> Accepts:
    found = re.compile(rule).search
    return lambda value: not isinstance(value, str) or found(value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_OF_ONE_VALUE: Mapping[str, Callable[[Any], Accepts]] = {
    "type": lambda rule: _of_type([rule] if isinstance(rule, str) else rule),
    "enum": lambda rule: lambda value: value in rule,
    "pattern": _pattern,
    "minimum": lambda rule: lambda value: not _is_number(value) or value >= rule,
    "maximum": lambda rule: lambda value: not _is_number(value) or value <= rule,
    "required": lambda rule: lambda value: not isinstance(value, dict) or all(key in value for key in rule),
}
