"""Properties between `google.protobuf.Struct` and plain values, checked on the way in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from sidegate.model.identifiers import refused_character
from sidegate.model.properties import NO_PROPERTIES, Json, Properties
from sidegate.server.wire.validation import Inspection, quoted

_EXACT = 2.0**53
"""Up to here a Struct's number, a double, holds every whole number."""
_PLAIN_KEY = re.compile(r"[^\W\d][\w-]{0,63}")


def read_properties(struct: Struct, field: str, inspection: Inspection) -> Properties:
    """Return a Struct as plain values, whole numbers as `int`; what is wrong in it goes to `inspection`."""
    if not struct.fields or not inspection.properties(field, struct.ByteSize()):
        return NO_PROPERTIES
    try:
        return _Reader(field, inspection).mapping(struct)
    except _TooLargeError as error:
        inspection.add(field, str(error))
        return NO_PROPERTIES


def write_properties(properties: Mapping[str, Json]) -> Struct:
    """Return plain values as a Struct; a whole number beyond 2^53 loses precision."""
    return Struct(fields={key: _value(value) for key, value in properties.items()})


class _TooLargeError(Exception):
    """The field holds more than the limits allow."""


class _Reader:
    """Reads one field; its path is stored as parts, because most requests never need it as text."""

    def __init__(self, field: str, inspection: Inspection) -> None:
        self._field = field
        self._inspection = inspection
        self._limits = inspection.limits
        self._path: list[str | int] = []
        self._keys = 0
        self._items = 0

    def mapping(self, struct: Struct) -> dict[str, Json]:
        fields = struct.fields
        self._keys += len(fields)
        if self._keys > self._limits.keys:
            raise _TooLargeError(f"holds too much: expected at most {self._limits.keys} keys in all")
        if self._too_deep():
            return {}
        values: dict[str, Json] = {}
        for key in fields:
            self._path.append(key)
            if not 0 < len(key) <= self._limits.identifier_length:
                self._refuse(f"has a key of {len(key)} characters: expected 1 to {self._limits.identifier_length}")
            elif message := refused_character(key):
                self._refuse(message)
            values[key] = self._read(fields[key])
            self._path.pop()
        return values

    def _sequence(self, items: ListValue) -> list[Json]:
        self._items += len(items.values)
        if self._items > self._limits.items:
            raise _TooLargeError(f"holds too much: expected at most {self._limits.items} list items in all")
        if self._too_deep():
            return []
        values: list[Json] = []
        for position, item in enumerate(items.values):
            self._path.append(position)
            values.append(self._read(item))
            self._path.pop()
        return values

    def _read(self, value: Value) -> Json:
        match value.WhichOneof("kind"):
            case "string_value":
                return self._text(value.string_value)
            case "number_value":
                return self._number(value.number_value)
            case "bool_value":
                return value.bool_value
            case "struct_value":
                return self.mapping(value.struct_value)
            case "list_value":
                return self._sequence(value.list_value)
            case "null_value":
                return None
            case _:
                self._refuse("has no value: expected one, or null")
                return None

    def _text(self, text: str) -> str:
        if len(text) > self._limits.text_length:
            self._refuse(f"{quoted(text)} is too long: expected at most {self._limits.text_length} characters")
        return text

    def _number(self, number: float) -> Json:
        if not isfinite(number):
            self._refuse(f"`{number}` is not right: expected a finite number")
            return None
        return int(number) if number.is_integer() and -_EXACT <= number <= _EXACT else number

    def _too_deep(self) -> bool:
        deep = len(self._path) >= self._limits.depth
        if deep:
            self._refuse(f"is nested too deep: expected at most {self._limits.depth} levels")
        return deep

    def _refuse(self, message: str) -> None:
        self._inspection.add(path_of(self._field, self._path), message)


def path_of(field: str, path: Sequence[str | int]) -> str:
    """Return the path of a value inside a field: `context.ips[2]`, `context["odd key"]`."""
    return field + "".join(map(_path_part, path))


def _path_part(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN_KEY.fullmatch(part) else f'["{quoted(part)[1:-1]}"]'


def _value(value: Json) -> Value:
    if value is None:
        return Value(null_value=0)  # type: ignore[arg-type] # the stubs make the enum's one value a type of its own
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, int | float):
        return Value(number_value=value)
    if isinstance(value, Mapping):
        return Value(struct_value=write_properties(value))
    return Value(list_value=ListValue(values=map(_value, value)))
