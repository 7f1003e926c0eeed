"""YAML documents with the line of every value.

The YAML read here is the 1.2 core schema without tags and aliases: `on`, `no` and dates are strings,
a key occurs once, and a document can't expand while it is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

import yaml

from sidegate.errors import Fault, FaultyFiles
from sidegate.model.identifiers import visible
from sidegate.model.properties import Json

Path: TypeAlias = tuple[str | int, ...]
MAX_DEPTH = 32
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: Mapping[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its value, and the line (from 1) of every value in it by path."""

    file: str
    value: Json
    lines: Mapping[Path, int]

    def line(self, path: Sequence[str | int]) -> int:
        """Return the line of the value at `path`, or of the nearest value around it."""
        around = tuple(path)
        while around and around not in self.lines:
            around = around[:-1]
        return self.lines.get(around, 1)

    def fault(self, path: Sequence[str | int], message: str) -> Fault:
        """Return a fault at `path`."""
        return Fault(self.file, self.line(path), key_of(path), message)

    def part(self, key: str) -> Document:
        """Return the value of a top-level key as a document of its own, with the lines of this file."""
        assert isinstance(self.value, dict)
        lines = {path[1:]: line for path, line in self.lines.items() if path[:1] == (key,)}
        return Document(self.file, self.value[key], lines)


def key_of(path: Sequence[str | int]) -> str:
    """Return a path as faults show it: its steps joined by dots, with invisible characters as escapes."""
    return visible(".".join(map(str, path)))


def parse_document(text: str, file: str) -> Document:
    """Parse one YAML (or JSON) document.

    Raises:
        FaultyFiles: it is not YAML, or uses what documents here may not: tags, aliases, a key twice.
    """
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        line = getattr(error.problem_mark or error.context_mark, "line", -1) + 1
        problem = error.problem or "not YAML"
        raise FaultyFiles(Fault(file, line, "", f"not valid YAML: {problem}")) from error
    except yaml.YAMLError as error:
        raise FaultyFiles(Fault(file, 0, "", f"not valid YAML: {str(error).splitlines()[0]}")) from error
    return Document(file, builder.root, builder.lines)


class _Builder:
    """Builds values from YAML events without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Json = None
        self.lines: dict[Path, int] = {}
        self._open: list[dict[str, Json] | list[Json]] = []
        self._paths: list[Path] = [()]
        self._keys: list[str | None] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        line = getattr(event.start_mark, "line", -1) + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._refuse(line, "a second document; one file holds one")
        elif isinstance(event, yaml.AliasEvent):
            raise self._refuse(line, f"alias `*{visible(str(event.anchor))}`; write the value out")
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
            self._paths.pop()

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if event.tag is not None and event.tag != "!":
            raise self._refuse(line, f"tag `{visible(str(event.tag))}`; plain values only")
        if self._open and isinstance(self._open[-1], dict) and self._keys[-1] is None:
            if event.value in self._open[-1]:
                raise self._refuse(line, f"key `{visible(event.value)}` is given twice")
            self._keys[-1] = event.value
            self.lines[(*self._paths[-1], event.value)] = line
            return
        self._add(event.value if event.style or not event.implicit[0] else _plain(event.value), line)

    def _start(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if event.tag is not None:
            raise self._refuse(line, f"tag `{visible(str(event.tag))}`; plain values only")
        if len(self._open) >= MAX_DEPTH:
            raise self._refuse(line, f"nested deeper than {MAX_DEPTH} levels")
        if self._open and isinstance(self._open[-1], dict) and self._keys[-1] is None:
            raise self._refuse(line, "a key that is not a plain word")
        value: dict[str, Json] | list[Json] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._add(value, line)
        self._open.append(value)
        self._keys.append(None)
        self._paths.append(path)

    def _add(self, value: Json, line: int) -> Path:
        """Add a value to the open mapping or sequence and return its path."""
        if not self._open:
            self.root = value
            path: Path = ()
        elif isinstance(parent := self._open[-1], list):
            path = (*self._paths[-1], len(parent))
            parent.append(value)
        else:
            key = self._keys[-1] or ""
            path = (*self._paths[-1], key)
            parent[key] = value
            self._keys[-1] = None
        self.lines.setdefault(path, line)
        return path

    def _refuse(self, line: int, message: str) -> FaultyFiles:
        return FaultyFiles(Fault(self.file, line, "", message))


def _plain(text: str) -> Json:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text
