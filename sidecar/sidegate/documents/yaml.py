"""YAML documents with the line of every value.

The YAML read here is the 1.2 core schema without tags and aliases: `on`, `no` and dates are strings,
a key occurs once, and a document can't expand while it is read.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import yaml

from sidegate.documents.json_text import NotPlainJson, read_json
from sidegate.documents.limits import MAX_DEPTH, UNLIMITED, Limits
from sidegate.documents.scalars import plain_value
from sidegate.errors import Fault, FaultyFiles
from sidegate.model.identifiers import visible
from sidegate.model.properties import Json

Path: TypeAlias = tuple[str | int, ...]
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its value, and the line (from 1) of every value in it by path."""

    file: str
    value: Json
    lines: Mapping[Path, int]

    def at(self, path: Path) -> Any:
        """Return the value at `path`, None where there is none."""
        value: Any = self.value
        try:
            for step in path:
                value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
        return value

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


def parse_document(text: str, file: str, *, limits: Limits = UNLIMITED) -> Document:
    """Parse one YAML (or JSON) document; reading stops where it is over a limit.

    Raises:
        FaultyFiles: it is not YAML, uses what documents here may not (tags, aliases, a key twice), or is too large.
    """
    try:
        return Document(file, read_json(text, limits), Lines(lambda: _parse_yaml(text, file, limits).lines))
    except NotPlainJson:
        return _parse_yaml(text, file, limits)


def _parse_yaml(text: str, file: str, limits: Limits) -> Document:
    builder = _Builder(file, limits)
    loader = _LOADER(text)
    try:
        builder.build(loader.get_event)
    except yaml.MarkedYAMLError as error:
        line = getattr(error.problem_mark or error.context_mark, "line", -1) + 1
        problem = error.problem or "not YAML"
        raise FaultyFiles(Fault(file, line, "", f"not valid YAML: {problem}")) from error
    except yaml.YAMLError as error:
        raise FaultyFiles(Fault(file, 0, "", f"not valid YAML: {str(error).splitlines()[0]}")) from error
    finally:
        loader.dispose()
    return Document(file, builder.root, Lines(lambda: _by_path(builder.root, builder.lines)))


class Lines(Mapping[Path, int]):
    """The line of each value by its path; made at first use, since a document without faults needs none."""

    def __init__(self, make: Callable[[], Mapping[Path, int]]) -> None:
        self._make = make

    @cached_property
    def _by_path(self) -> Mapping[Path, int]:
        return self._make()

    def __getitem__(self, path: Path) -> int:
        """Return the line of the value at a path."""
        return self._by_path[path]

    def __iter__(self) -> Iterator[Path]:
        """Return the paths in the order of the document."""
        return iter(self._by_path)

    def __len__(self) -> int:
        """Return how many values there are."""
        return len(self._by_path)


def _by_path(root: Json, lines: Sequence[int]) -> dict[Path, int]:
    """Return the lines by path; `lines` has one for each value, a mapping or list before what is in it."""
    found: dict[Path, int] = {}
    in_order = iter(lines)
    ahead: list[Iterator[tuple[Path, Json]]] = [iter([((), root)])]
    while ahead:
        following = next(ahead[-1], None)
        if following is None:
            ahead.pop()
            continue
        path, value = following
        found[path] = next(in_order)
        ahead.append(_inside(path, value))
    return found


def _inside(path: Path, value: Json) -> Iterator[tuple[Path, Json]]:
    if isinstance(value, dict):
        yield from (((*path, key), inner) for key, inner in value.items())
    elif isinstance(value, list):
        yield from (((*path, index), inner) for index, inner in enumerate(value))


class _Builder:
    """Builds values from YAML events without recursion; a document without any value has none of its lines."""

    def __init__(self, file: str, limits: Limits) -> None:
        self.file = file
        self.root: Json = None
        self.lines = array("L")
        self._limits = limits
        self._open: list[dict[str, Json] | list[Json]] = []
        self._keys: list[str | None] = []
        self._documents = 0

    def build(self, get_event: Callable[[], Any]) -> None:
        while (event := get_event()) is not None:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._start(event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._open.pop()
                self._keys.pop()
            elif kind is yaml.DocumentStartEvent:
                self._documents += 1
                if self._documents > 1:
                    raise self._refuse(_line(event), "a second document; one file holds one")
            elif kind is yaml.AliasEvent:
                raise self._refuse(_line(event), f"alias `*{visible(event.anchor)}`; write the value out")
        if not self.lines:
            self.lines.append(1)

    def _scalar(self, event: Any) -> None:
        if event.tag is not None and event.tag != "!":
            raise self._refuse(_line(event), f"tag `{visible(event.tag)}`; plain values only")
        if self._open and self._keys[-1] is None and type(self._open[-1]) is dict:
            if event.value in self._open[-1]:
                raise self._refuse(_line(event), f"key `{visible(event.value)}` is given twice")
            self._keys[-1] = event.value
            # The line of a value in a mapping is that of its key.
            self._count(_line(event))
            return
        plain = not event.style and event.implicit[0]
        self._add(plain_value(event.value) if plain else event.value, event)

    def _start(self, event: Any) -> None:
        if event.tag is not None:
            raise self._refuse(_line(event), f"tag `{visible(event.tag)}`; plain values only")
        if len(self._open) >= MAX_DEPTH:
            raise self._refuse(_line(event), f"nested deeper than {MAX_DEPTH} levels")
        if self._open and self._keys[-1] is None and type(self._open[-1]) is dict:
            raise self._refuse(_line(event), "a key that is not a plain word")
        value: dict[str, Json] | list[Json] = {} if type(event) is yaml.MappingStartEvent else []
        self._add(value, event)
        self._open.append(value)
        self._keys.append(None)

    def _add(self, value: Json, event: Any) -> None:
        """Add a value to the open mapping or list."""
        if not self._open:
            self.root = value
            self._count(_line(event))
        elif isinstance(parent := self._open[-1], list):
            parent.append(value)
            self._count(_line(event))
        else:
            parent[self._keys[-1] or ""] = value
            self._keys[-1] = None

    def _count(self, line: int) -> None:
        self.lines.append(line)
        if len(self.lines) > self._limits.values:
            raise self._refuse(line, self._limits.too_many_values())

    def _refuse(self, line: int, message: str) -> FaultyFiles:
        return FaultyFiles(Fault(self.file, line, "", message))


def _line(event: Any) -> int:
    return getattr(event.start_mark, "line", -1) + 1
