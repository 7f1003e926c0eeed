"""Metrics of the admission of calls, without a metrics library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class LaneFigures(Protocol):
    """The figures of one class of calls: how many run and wait now, and how many were admitted since the start.

    `full` counts those that were refused for a full queue, `late` those whose turn would come, or came, too late.
    """

    running: int
    waiting: int
    admitted: int
    full: int
    late: int


class AdmissionObserver(Protocol):
    """Shows figures, and receives how long calls waited."""

    def show_lanes(self, lanes: Mapping[str, LaneFigures]) -> None:
        """Show the figures of these classes from now on at each scrape."""
        ...

    def waited(self, call_class: str, seconds: float) -> None:
        """Record how long a call waited before it was admitted; calls that did not wait are not recorded."""
        ...


class _Unobserved:
    def show_lanes(self, lanes: Mapping[str, LaneFigures]) -> None:
        """Show nothing."""

    def waited(self, call_class: str, seconds: float) -> None:
        """Record nothing."""


UNOBSERVED: AdmissionObserver = _Unobserved()
