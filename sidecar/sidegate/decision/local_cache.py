"""The decisions that this sidecar remembers itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final, TypeAlias

from sidegate.decision.cache_key import Question
from sidegate.model.decision import Decision
from sidegate.runtime.lru import BoundedMap
from sidegate.telemetry.cache import UNCOUNTED, CacheEvent, CacheObserver

JITTER: Final = 0.1
"""By what share a time to live is longer or shorter, so that entries written together don't expire together."""

Key: TypeAlias = tuple[object, int, Question]
"""A snapshot's lineage and the number of its revision, and the question that was put to it."""


class RememberedDecisions:
    """Holds at most `limit` decisions, each for about `seconds`; the least recently used is evicted first."""

    def __init__(
        self,
        limit: int,
        seconds: float,
        *,
        clock: Callable[[], float] = monotonic,
        observer: CacheObserver = UNCOUNTED,
    ) -> None:
        self._entries: BoundedMap[Key, tuple[float, Decision]] = BoundedMap(
            limit, evicted=partial(observer.count, CacheEvent.EVICTED)
        )
        self._seconds = seconds
        self._clock = clock

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"RememberedDecisions({self._entries})"

    def get(self, key: Key) -> Decision | None:
        """Return the decision that is remembered, None where there is none or it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] < self._clock():
            self._entries.drop(key)
            return None
        return entry[1]

    def put(self, key: Key, decision: Decision) -> None:
        """Remember a decision."""
        self._entries.put(key, (self._clock() + jittered(self._seconds), decision))


def jittered(seconds: float) -> float:
    """Return about this number of seconds."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret depends on it
