"""Metrics of how a sidecar follows the store."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class SyncEvent(StrEnum):
    """What is counted."""

    POLL = "poll"
    POLL_FAILED = "poll_failed"
    HINT = "hint"
    GAP = "gap"
    JOIN = "join"
    RELOAD = "reload"
    VERIFIED = "verified"
    DRIFTED = "drifted"
    PACKS_RELOADED = "packs_reloaded"
    PACKS_REFUSED = "packs_refused"
    TENANT_EVICTED = "tenant_evicted"
    RESOURCE_EVICTED = "resource_evicted"
    GRANTS_ENDED = "grants_ended"
    CLOCK_DIFFERS = "clock_differs"
    HISTORY_AHEAD = "history_ahead"


class SyncObserver(Protocol):
    """Receives what happens; it must be quick and must not raise."""

    def count(self, event: SyncEvent) -> None:
        """Count one event."""

    def lagged(self, seconds: float) -> None:
        """Record how long after its write a revision took effect here."""


class Unobserved:
    """A `SyncObserver` that does nothing."""

    def count(self, event: SyncEvent) -> None:
        """Do nothing with an event."""

    def lagged(self, seconds: float) -> None:
        """Do nothing with a lag."""


UNOBSERVED = Unobserved()
