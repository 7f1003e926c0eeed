"""Measures each decision and gives one record to a hook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from sidegate.errors import SidegateError
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.ports.decider import Decider


@dataclass(frozen=True, slots=True)
class Measurement:
    """One decision as metrics see it: `outcome` is "allow", "deny" or "error"; `reason` a stable code."""

    outcome: str
    reason: str
    seconds: float


class MeasuredDecider:
    """Times the delegate; errors are measured too."""

    def __init__(self, delegate: Decider, *, observe: Callable[[Measurement], None]) -> None:
        self._delegate = delegate
        self._observe = observe

    def __repr__(self) -> str:
        return f"MeasuredDecider({self._delegate!r})"

    async def decide(self, request: Request) -> Decision:
        """Answer as the delegate does."""
        began = perf_counter()
        outcome, reason = "error", "INTERNAL"
        try:
            decision = await self._delegate.decide(request)
            outcome, reason = ("allow" if decision.allowed else "deny"), decision.reason
        except SidegateError as error:
            reason = error.reason
            raise
        else:
            return decision
        finally:
            self._observe(Measurement(outcome, reason, perf_counter() - began))
