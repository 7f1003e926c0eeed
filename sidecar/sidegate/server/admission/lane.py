"""One class of calls: how many run, how many wait, and who is next."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, TypeAlias

from sidegate.errors import Overloaded
from sidegate.runtime.fair_queue import FairQueue
from sidegate.runtime.shares import Share
from sidegate.telemetry.admission import UNOBSERVED, AdmissionObserver

RETRY: Final = (0.1, 5.0)
"""Seconds after which a refused client should try again, at least and at most."""
REFUSALS: Final = 20.0
"""Refusals in a second that are sent immediately; further ones are held back, since clients retry without a pause."""
DELAY: Final = 0.25
"""Seconds that such a refusal is held back, or half of what its client waits: refusals cost as much as Checks."""
HELD: Final = 1_000
"""The most refusals that are held back together."""
SWEEP: Final = 0.05
"""Seconds between two searches for waiting calls whose time is up: a timer for each would cost more than its wait."""
SMOOTHING: Final = 8
"""How many of the last admissions the average of their intervals reflects."""
_Turn: TypeAlias = asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls of a class run together and how many wait; `per_turn` begin in one turn of the event loop.

    One share runs at most three quarters of them, so that another one finds a slot free.
    """

    running: int
    waiting: int
    per_turn: int = sys.maxsize

    @property
    def of_one_share(self) -> int:
        """How many calls of one share run together."""
        return max(1, self.running - max(1, self.running // 4))


class Lane:
    """Admits the calls of one class: immediately where a slot is free, else in fair turns, else not at all.

    It is a `LaneFigures`: numbers of calls, of which `full` and `late` were refused.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        *,
        clock: Callable[[], float] = monotonic,
        observer: AdmissionObserver = UNOBSERVED,
    ) -> None:
        self._name = name
        self._limits = limits
        self._most, self._per_turn, self._of_one_share = limits.running, limits.per_turn, limits.of_one_share
        self._clock = clock
        self._observer = observer
        self._by_share: dict[Share, int] = {}
        self._waiting: FairQueue[_Turn] = FairQueue()
        self._until: dict[_Turn, float] = {}
        self._sweeping = False
        self._held = 0
        self._refusals, self._last_refusal = 0.0, 0.0
        self._begun = 0
        self._turn_counted = limits.per_turn < sys.maxsize
        self._interval = 0.0
        self._last_admission = 0.0
        self.running = self.waiting = self.admitted = self.full = self.late = 0

    def __repr__(self) -> str:
        return f"Lane({self._name}: {self.running} of {self._limits.running} run, {self.waiting} wait)"

    def try_enter(self, share: Share) -> bool:
        """Take a slot where one is free and no call waits; return whether that was so."""
        if self.waiting or self.running >= self._most or self._begun >= self._per_turn:
            return False
        held = self._by_share.get(share, 0)
        if held >= self._of_one_share:
            return False
        self._by_share[share] = held + 1
        self._count()
        return True

    async def wait(self, share: Share, patience: float) -> None:
        """Wait for a slot, in fair turns, and take it.

        Raises:
            Overloaded: it could not be had within `patience` seconds, or too many calls wait.
        """
        try:
            await self._queued(share, patience)
        except Overloaded:
            await self._hold_back(patience)
            raise

    async def _queued(self, share: Share, patience: float) -> None:
        expected = (self._waiting.ahead_of(share) + 1) * self._interval
        if expected > patience:
            self.late += 1
            raise self._overloaded(f"its turn would come in about {expected:.1f} s, and it can wait {patience:.1f} s")
        if len(self._waiting) >= self._limits.waiting:
            self._displace(share)
        loop, arrived = asyncio.get_running_loop(), self._clock()
        if not self._waiting:
            self._last_admission = arrived
        turn: _Turn = loop.create_future()
        self._waiting.put(share, turn)
        self._until[turn] = arrived + patience
        self._admit_waiting()
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(SWEEP, self._sweep)
        try:
            await turn
        except asyncio.CancelledError:
            # The slot may have been given to a call that is cancelled in the same turn of the loop.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(share)
            raise
        finally:
            del self._until[turn]
            self._waiting.discard(share, turn)
            self.waiting = len(self._waiting)
        self._observer.waited(self._name, self._clock() - arrived)

    def leave(self, share: Share) -> None:
        """Return a slot."""
        self.running -= 1
        held = self._by_share.pop(share)
        if held > 1:
            self._by_share[share] = held - 1
        if self.waiting:
            self._admit_waiting()

    def _may_run(self, share: Share) -> bool:
        return self._by_share.get(share, 0) < self._of_one_share

    def _has_room(self) -> bool:
        return self.running < self._most and self._begun < self._per_turn

    def _count(self) -> None:
        """Count a call that takes a slot."""
        self.running += 1
        self.admitted += 1
        if self._turn_counted:
            self._begun += 1
            if self._begun == 1:
                asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._begun = 0
        if self.waiting:
            self._admit_waiting()

    def _admit_waiting(self) -> None:
        while self._has_room() and (served := self._waiting.pop(self._may_run)) is not None:
            share, turn = served
            if turn.done():
                continue
            self._by_share[share] = self._by_share.get(share, 0) + 1
            self._count()
            turn.set_result(None)
            now = self._clock()
            self._interval += (now - self._last_admission - self._interval) / SMOOTHING
            self._last_admission = now
        self.waiting = len(self._waiting)

    def _displace(self, share: Share) -> None:
        """Refuse the newest call of the caller that waits with the most, in favour of one that waits with fewer.

        Raises:
            Overloaded: no caller waits with more than this one.
        """
        self.full += 1
        refusal = self._overloaded(f"{len(self._waiting)} calls wait already")
        displaced = self._waiting.pop_from_longest(share)
        if displaced is None:
            raise refusal
        if not displaced.done():
            displaced.set_exception(refusal)

    def _sweep(self) -> None:
        """Refuse the calls whose time is up, and come back as long as calls wait."""
        now = self._clock()
        for turn, until in self._until.items():
            if until <= now and not turn.done():
                self.late += 1
                turn.set_exception(self._overloaded("its turn did not come in time"))
        self._sweeping = bool(self._until)
        if self._sweeping:
            asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    async def _hold_back(self, patience: float) -> None:
        """Wait a little before a refusal where there are many: clients that retry immediately would take all time."""
        now = self._clock()
        self._refusals = max(0.0, self._refusals - (now - self._last_refusal) * REFUSALS) + 1
        self._last_refusal = now
        if self._refusals > REFUSALS and self._held < HELD:
            self._held += 1
            try:
                await asyncio.sleep(min(DELAY, patience / 2))
            finally:
                self._held -= 1

    def _overloaded(self, why: str) -> Overloaded:
        least, most = RETRY
        retry_after = max(least, min(len(self._waiting) * self._interval, most))
        return Overloaded(
            f"too many calls of class `{self._name}`: {why}; try again later", self._name, retry_after=retry_after
        )
