"""Logs and counts clocks that are wrong, as the writes find them."""

from __future__ import annotations

from datetime import timedelta

from sidegate.ports.clock import ClockCheck
from sidegate.runtime.clock import MAX_DIFFERENCE
from sidegate.telemetry.logging import get_log
from sidegate.telemetry.sync import SyncEvent, SyncObserver

_LOG = get_log("store")
_JUMPED = "times of changes go on from before the jump: correct the clock, or restart sidegate if it is right now"
_DIFFERS = "changes get the earlier of both times: correct the clock of this machine or of the database"
_AHEAD = "new changes get times just after the newest one: correct the clocks of all machines that write"


class ClockLog:
    """A `ClockHook`: counts each write at which a clock was wrong, and logs when that begins and when it ends."""

    def __init__(self, observer: SyncObserver) -> None:
        self._observer = observer
        self._wrong: set[str] = set()

    def __repr__(self) -> str:
        return f"ClockLog(wrong={sorted(self._wrong)})"

    def observe(self, check: ClockCheck) -> None:
        """Receive what a write found."""
        differs = self._report("clock jumped", check.jump, far=abs(check.jump) > MAX_DIFFERENCE, advice=_JUMPED)
        from_store = check.ahead_of_store
        differs |= self._report(
            "clock differs from the database", from_store, far=abs(from_store) > MAX_DIFFERENCE, advice=_DIFFERS
        )
        if differs:
            self._observer.count(SyncEvent.CLOCK_DIFFERS)
        if self.observe_history(check.history_ahead):
            self._observer.count(SyncEvent.HISTORY_AHEAD)

    def observe_history(self, ahead: timedelta) -> bool:
        """Receive how far the newest change is ahead of the clock; return whether that is too far."""
        return self._report("history ahead of the clock", ahead, far=ahead > MAX_DIFFERENCE, advice=_AHEAD)

    def _report(self, event: str, difference: timedelta, *, far: bool, advice: str) -> bool:
        if far and event not in self._wrong:
            self._wrong.add(event)
            _LOG.warning(event, seconds=round(difference.total_seconds(), 3), advice=advice)
        elif not far and event in self._wrong:
            self._wrong.discard(event)
            _LOG.info("clock right again", after=event)
        return far
