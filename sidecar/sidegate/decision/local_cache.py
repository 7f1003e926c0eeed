"""The decisions that this sidecar remembers itself."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from sys import getsizeof
from time import monotonic
from typing import Final, TypeAlias

from sidegate.decision.cache_key import Question
from sidegate.model.decision import Decision
from sidegate.telemetry.cache import UNCOUNTED, CacheEvent, CacheObserver

JITTER: Final = 0.1
"""By what share a time to live is longer or shorter, so that entries written together don't expire together."""
ENTRY_BYTES: Final = 720
"""What an entry takes apart from its texts: a slot of the map, the key, the decision with its revision."""

Key: TypeAlias = tuple[object, int, Question]
"""A snapshot's lineage and the number of its revision, and the question that was put to it."""


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How much is remembered: the most decisions, the most bytes that they take together, and for about how long."""

    entries: int
    bytes: int
    seconds: float


class RememberedDecisions:
    """Holds decisions within limits; the least recently used is evicted first."""

    def __init__(
        self,
        limits: CacheLimits,
        *,
        clock: Callable[[], float] = monotonic,
        observer: CacheObserver = UNCOUNTED,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._observer = observer
        self._entries: OrderedDict[Key, tuple[float, int, Decision]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return (
            f"RememberedDecisions({len(self)} of {self._limits.entries}, {self._bytes} of {self._limits.bytes} bytes)"
        )

    @property
    def bytes(self) -> int:
        """The bytes that all entries take, at most."""
        return self._bytes

    def get(self, key: Key) -> Decision | None:
        """Return the decision that is remembered, None where there is none or it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] < self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry[2]

    def put(self, key: Key, decision: Decision) -> None:
        """Remember a decision; one that takes more than all may is evicted immediately."""
        self._drop(key)
        size = size_of(key[2], decision)
        self._entries[key] = self._clock() + jittered(self._limits.seconds), size, decision
        self._bytes += size
        while self._bytes > self._limits.bytes or len(self._entries) > self._limits.entries:
            self._bytes -= self._entries.popitem(last=False)[1][1]
            self._observer.count(CacheEvent.EVICTED)

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[1]


def size_of(question: Question, decision: Decision) -> int:
    """Return the bytes that a remembered decision takes at most.

    The texts of a decision count although many share them with the pack.
    """
    texts = sum(map(getsizeof, question)) + sum(
        map(getsizeof, (decision.reason, decision.rule, decision.policy_digest))
    )
    return ENTRY_BYTES + texts + sum(_size(one.id) + _size(one.parameters) for one in decision.obligations)


def jittered(seconds: float) -> float:
    """Return about this number of seconds."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret depends on it


def _size(value: object) -> int:
    """Return the bytes of a JSON value with all that is in it."""
    size = getsizeof(value)
    if isinstance(value, Mapping):
        return size + sum(getsizeof(name) + _size(inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return size + sum(map(_size, value))
    return size
