"""What a write finds out about clocks, and the hook that receives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ClockCheck:
    """The clocks at a write: how far each is from another, near zero where both are right.

    `jump` is how far the machine's clock moved against one that can't be set, `ahead_of_store` how far the time here is
    ahead of the store's own clock, zero where it has none. `history_ahead` is how far the newest change is ahead of the
    time of this write, negative where it is behind, as it should be.
    """

    jump: timedelta = timedelta()
    ahead_of_store: timedelta = timedelta()
    history_ahead: timedelta = timedelta()


ClockHook: TypeAlias = Callable[[ClockCheck], None]
"""Receives the check of each write; it must be quick and must not raise."""


def ignore_clocks(_check: ClockCheck) -> None:
    """Do nothing with a check."""
