"""Metrics of finished calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """One call: its full method name without the leading slash, its gRPC status code's name, and its duration."""

    method: str
    code: str
    seconds: float


CallHook: TypeAlias = Callable[[FinishedCall], None]
"""Receives each finished call; it must be quick and must not raise."""


def ignore_call(_call: FinishedCall) -> None:
    """Do nothing with a finished call."""
