"""A large value as many small ones, each with the mappings and lists that lead to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sidegate.documents.yaml import Path
from sidegate.model.properties import Json


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbours of a mapping or list, which is at `prefix` in the whole; a list's first index here is `offset`."""

    value: Json
    prefix: Path = ()
    offset: int = 0

    def path(self, path: Sequence[str | int]) -> Path:
        """Return the path in the whole of a value of this piece."""
        split = len(self.prefix)
        inside = tuple(path[split:])
        if inside and isinstance(inside[0], int):
            inside = (inside[0] + self.offset, *inside[1:])
        return (*self.prefix[: len(path)], *inside)

    def within(self, key: str | int) -> Piece:
        """Return this piece of a value that is at a key of another value."""
        value: Json = {key: self.value} if isinstance(key, str) else [self.value]
        return Piece(value, (key, *self.prefix), self.offset)


def pieces(value: Json, size: int) -> Iterator[Piece]:
    """Yield pieces of at most `size` values, in the order of the whole; each value but those around is in one piece."""
    if isinstance(value, dict | list) and _counted(value, size) > size:
        items: Iterable[tuple[str | int, Json]] = value.items() if isinstance(value, dict) else enumerate(value)
        for run in _runs(items, size):
            key, first = run[0]
            if len(run) == 1:
                yield from (piece.within(key) for piece in pieces(first, size))
            elif isinstance(key, str):
                yield Piece({str(key): inner for key, inner in run})
            else:
                yield Piece([inner for _, inner in run], offset=key)
    else:
        yield Piece(value)


def _runs(items: Iterable[tuple[str | int, Json]], size: int) -> Iterator[list[tuple[str | int, Json]]]:
    """Yield neighbours that are together at most `size` values; a larger one is alone."""
    run: list[tuple[str | int, Json]] = []
    held = 0
    for key, value in items:
        number = _counted(value, size)
        if run and held + number > size:
            yield run
            run, held = [], 0
        run.append((key, value))
        held += number
    if run:
        yield run


def _counted(value: Json, most: int) -> int:
    """Return how many values there are in a value, itself included; counting stops beyond `most`."""
    number = 0
    waiting: list[Json] = [value]
    while waiting and number <= most:
        one = waiting.pop()
        number += 1
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return number
