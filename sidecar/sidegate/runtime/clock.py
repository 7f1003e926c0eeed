"""The clock that staleness is measured with."""

from __future__ import annotations

import time


def _awake_or_not() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


elapsed = _awake_or_not if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
"""Seconds that never go back; where the system counts them, those of its sleep are included."""
