"""How long the client of the current call still waits."""

from __future__ import annotations

from contextvars import ContextVar
from time import monotonic

_UNTIL: ContextVar[float | None] = ContextVar("sidegate_deadline", default=None)


def begin_call(seconds: float | None) -> None:
    """Record how long the client of this call waits; None means without limit."""
    _UNTIL.set(None if seconds is None else monotonic() + seconds)


def time_left() -> float | None:
    """Return the seconds that are left of the current call; None if there is no deadline."""
    until = _UNTIL.get()
    return None if until is None else max(0.0, until - monotonic())
