"""Which caller makes the current call."""

from __future__ import annotations

from contextvars import ContextVar

from sidegate.model.callers.caller import NOBODY, Caller

_CURRENT: ContextVar[Caller] = ContextVar("sidegate_caller", default=NOBODY)


def set_current_caller(caller: Caller) -> None:
    """Record which caller makes this call."""
    _CURRENT.set(caller)


def current_caller() -> Caller:
    """Return the caller of the current call; its name is empty where callers are not authenticated.

    Outside of a call it is nobody, who has no right.
    """
    return _CURRENT.get()
