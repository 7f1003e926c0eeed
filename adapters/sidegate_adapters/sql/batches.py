"""Few statements instead of one for each value, and none with more values than a database takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


def batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield the items in their order, in lists of `size` but for the last."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
