"""A circuit breaker: after repeated failures no command is sent for a while, then one is sent as a test."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import StrEnum
from time import monotonic
from typing import Final

FAILURES_IN_A_ROW: Final = 5
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 10.0


class State(StrEnum):
    """Whether commands are sent."""

    CLOSED = "closed"  # always
    OPEN = "open"  # not at all
    HALF_OPEN = "half_open"  # by one, whose outcome decides


class Breaker:
    """Opens after some failures in a row; pauses between attempts grow, and differ between sidecars."""

    def __init__(
        self,
        *,
        observe: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._observe = observe
        self._clock = clock
        self._chance = chance
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._until = 0.0
        self.state = State.CLOSED
        observe(self.state)

    def __repr__(self) -> str:
        return f"Breaker({self.state})"

    def allows(self) -> bool:
        """Return whether a command may be sent now; a caller that sends one reports the outcome."""
        if self.state is State.CLOSED:
            return True
        if self.state is State.HALF_OPEN or self._clock() < self._until:
            return False
        self._enter(State.HALF_OPEN)
        return True

    def succeeded(self) -> None:
        """Record an answer in time; it changes nothing while the circuit is open."""
        self._failures = 0
        if self.state is State.HALF_OPEN:
            self._pause = FIRST_PAUSE
            self._enter(State.CLOSED)

    def failed(self) -> None:
        """Record a failure, or an answer that came too late."""
        self._failures += 1
        if self.state is State.HALF_OPEN or (self.state is State.CLOSED and self._failures >= FAILURES_IN_A_ROW):
            # Between half the pause and the whole, so that sidecars don't all try at once.
            self._until = self._clock() + self._pause * (1 + self._chance()) / 2
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._enter(State.OPEN)

    def _enter(self, state: State) -> None:
        self.state = state
        self._observe(state)
