"""Metrics of the decision cache."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class CacheEvent(StrEnum):
    """What is counted; each question that goes through the cache is one hit, miss or join, or could not be cached."""

    HIT_MEMORY = "hit_memory"
    HIT_SHARED = "hit_shared"
    MISS = "miss"
    JOIN = "join"
    BYPASS = "bypass"
    REJECTED = "rejected"
    EVICTED = "evicted"
    READ_FAILED = "read_failed"
    WRITE_DROPPED = "write_dropped"


class CacheObserver(Protocol):
    """Receives what happens; it must be quick and must not raise."""

    def count(self, event: CacheEvent) -> None:
        """Count one event."""

    def breaker(self, state: str) -> None:
        """Note whether the shared cache is asked: `closed`, not asked: `open`, or tried: `half_open`."""


class Uncounted:
    """A `CacheObserver` that does nothing."""

    def count(self, event: CacheEvent) -> None:
        """Do nothing with an event."""

    def breaker(self, state: str) -> None:
        """Do nothing with a state."""


UNCOUNTED = Uncounted()
