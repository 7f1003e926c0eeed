"""The clocks: one that can't be set, for durations, and the machine's, checked against it, for times of day."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_DIFFERENCE: Final = timedelta(minutes=1)
"""How far two clocks may differ before times are no longer taken from the later one."""


def _boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _monotonic_time() -> float:
    # On macOS this clock includes the machine's sleep, other than `time.monotonic`.
    return time.clock_gettime(time.CLOCK_MONOTONIC)


if hasattr(time, "CLOCK_BOOTTIME"):
    elapsed = _boot_time
else:
    elapsed = _monotonic_time if sys.platform == "darwin" else time.monotonic
"""Seconds that never go back; where the system counts them, those of its sleep are included."""


def utc_now() -> datetime:
    """Return the time that the machine's clock shows."""
    return datetime.now(UTC)


class CheckedClock:
    """The machine's clock, checked against one that can't be set.

    Small steps, such as corrections by NTP, are followed. After a larger one `now` returns the earlier of the clock and
    of what it would show without the step, until both agree again: a time that is too late can't be taken back.
    """

    def __init__(self, *, clock: Callable[[], datetime] = utc_now, steady: Callable[[], float] = elapsed) -> None:
        self._clock = clock
        self._steady = steady
        self._seen, self._seen_at = clock(), steady()

    def __repr__(self) -> str:
        return f"CheckedClock(jump={self.jump()})"

    def now(self) -> datetime:
        """Return the time, as far as it can be relied on."""
        shown, expected = self._both()
        if abs(shown - expected) > MAX_DIFFERENCE:
            return min(shown, expected)
        self._seen, self._seen_at = shown, self._steady()
        return shown

    def jump(self) -> timedelta:
        """Return how far the clock is ahead of what it would show without steps; negative where it is behind."""
        shown, expected = self._both()
        return shown - expected

    def _both(self) -> tuple[datetime, datetime]:
        return self._clock(), self._seen + timedelta(seconds=self._steady() - self._seen_at)
