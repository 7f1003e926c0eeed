"""A request as an exact value: everything that a decision may depend on, such that different questions are unequal.

In Python `True == 1 == 1.0` and `0.0 == -0.0`; here each value has its type beside it, so that none equals another.
Texts are compared as they are, without normalisation. The entries of a map are sorted, since their order means nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from sidegate.model.properties import Json, Properties
from sidegate.model.question import Request

Exact: TypeAlias = "str | int | bytes | type | tuple[Exact, ...] | None"
Question: TypeAlias = tuple[Exact, ...]
NOTHING: Final[tuple[Exact, ...]] = ()
_FLOAT: Final = struct.Struct(">d")
_LENGTH: Final = struct.Struct(">Q")
_TAGS: Final[Mapping[type, bytes]] = MappingProxyType({bool: b"b", int: b"i", float: b"d", list: b"l", dict: b"m"})


def question_of(request: Request) -> Question:
    """Return the question that a request asks.

    Its consistency and its ID are not part of the question: they don't change the right answer.

    Raises:
        TypeError: a property is not a JSON value.
    """
    subject, resource = request.subject, request.resource
    return (
        request.tenant,
        subject.type,
        subject.id,
        request.action,
        resource.type,
        resource.id,
        _entries(subject.properties) if subject.properties else NOTHING,
        _entries(resource.properties) if resource.properties else NOTHING,
        _entries(request.context) if request.context else NOTHING,
    )


def encoded(value: Exact) -> bytes:
    """Return bytes from which the value could be read back: type, length and content of each part, outermost first."""
    parts: list[bytes] = []
    _encode(value, parts.append)
    return b"".join(parts)


def _entries(properties: Properties) -> tuple[Exact, ...]:
    found: list[Exact] = []
    for name in sorted(properties):
        found += name, _exact(properties[name])
    return tuple(found)


def _exact(value: Json) -> Exact:
    """Return a text or null as it is, and anything else as a tuple that begins with its type."""
    kind = value.__class__
    if value is None or kind is str:
        return value  # type: ignore[return-value] # a text, as was just tested
    if kind is bool or kind is int:
        return kind, value  # type: ignore[return-value] # a number, as was just tested
    if isinstance(value, float):
        return float, _FLOAT.pack(value)
    if kind is dict:
        return (dict, *_entries(value))  # type: ignore[arg-type] # a map, as was just tested
    if isinstance(value, list):
        return (list, *map(_exact, value))
    if isinstance(value, Mapping):
        return (dict, *_entries(value))
    raise TypeError(f"`{value}` is not a JSON value")


def _encode(value: Exact, put: Callable[[bytes], None]) -> None:
    if isinstance(value, tuple):
        tag, inner = _tagged(value)
        put(tag + _LENGTH.pack(len(inner)))
        for part in inner:
            _encode(part, put)
    else:
        tag, content = _content(value)
        put(tag + _LENGTH.pack(len(content)))
        put(content)


def _tagged(value: tuple[Exact, ...]) -> tuple[bytes, tuple[Exact, ...]]:
    """Return the mark of a tuple's type with its parts; one without a type of its own is a plain sequence."""
    if value and isinstance(value[0], type):
        return _TAGS[value[0]], value[1:]
    return b"t", value


def _content(value: Exact) -> tuple[bytes, bytes]:
    match value:
        case str():
            return b"s", value.encode("utf-8", "surrogatepass")
        case int():
            return b"n", value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
        case bytes():
            return b"x", value
        case None:
            return b"0", b""
        case _:
            raise TypeError(f"`{value}` is no part of a question")
