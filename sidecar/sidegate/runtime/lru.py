"""A map that holds the entries used last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedMap(Generic[K, V]):
    """Holds at most `limit` entries; the least recently used one goes out first, and `evicted` is called then."""

    def __init__(self, limit: int, *, evicted: Callable[[], None] = lambda: None) -> None:
        self._limit = limit
        self._evicted = evicted
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"BoundedMap({len(self)} of {self._limit})"

    def keys(self) -> Sequence[K]:
        """Return all keys, the least recently used one first."""
        return list(self._entries)

    def get(self, key: K) -> V | None:
        """Return the entry and mark it as used; None where there is none."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def peek(self, key: K) -> V | None:
        """Return the entry without marking it as used; None where there is none."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        """Store an entry, and drop the least recently used one where there are too many."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)
            self._evicted()

    def replace(self, key: K, value: V) -> None:
        """Put another value where there is one; that is no use of it."""
        if key in self._entries:
            self._entries[key] = value

    def drop(self, key: K) -> None:
        """Drop an entry."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()
