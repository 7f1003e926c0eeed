"""Metrics of callers: refused calls, reloads of the caller file, and issuers whose keys can't be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A call that was refused for its caller: the reason's code, and the caller's name; "" where that is not known."""

    reason: str
    caller: str = ""


class CallerEvent(StrEnum):
    """What is counted besides."""

    RELOADED = "reloaded"
    RELOAD_REJECTED = "reload_rejected"
    KEYS_UNREADABLE = "keys_unreadable"


RefusalHook: TypeAlias = Callable[[RefusedCall], None]
"""Receives each refused call; it must be quick and must not raise."""
CallerHook: TypeAlias = Callable[[CallerEvent], None]
"""Receives each event; it must be quick and must not raise."""


def ignore_refusal(_call: RefusedCall) -> None:
    """Do nothing with a refused call."""


def ignore_event(_event: CallerEvent) -> None:
    """Do nothing with an event."""
