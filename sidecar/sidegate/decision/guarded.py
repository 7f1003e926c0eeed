"""The outermost step: refuses what is too stale, waits for what is to be fresh, and tells an unknown tenant."""

from __future__ import annotations

from typing import Final

from sidegate.decision.within import within
from sidegate.errors import StoreUnavailable, TooStale, Unavailable
from sidegate.membership.follower import Follower
from sidegate.membership.snapshot import Snapshots
from sidegate.model import Decision, Reason, Request, Requirement
from sidegate.ports import Decider

PATIENCE: Final = 10.0
"""Seconds that a request without a deadline waits for facts."""
MARGIN: Final = (0.03, 0.25)
"""Seconds before its deadline that a request ends, at least and at most, so that its caller still learns why."""
ROUNDING: Final = 0.01
"""The share of a deadline by which gRPC, which tells it in a few digits, may have rounded it up."""
ATTEMPTS: Final = 3
"""How often a question is decided whose answers were too old once they were there."""


class Guarded:
    """Lets a request through where the facts in memory are as fresh as the request and the server demand."""

    def __init__(self, delegate: Decider, *, follower: Follower, snapshots: Snapshots, max_staleness: float) -> None:
        self._delegate = delegate
        self._follower = follower
        self._snapshots = snapshots
        self._max_staleness = max_staleness

    def __repr__(self) -> str:
        return f"Guarded(max_staleness={self._max_staleness}, {self._delegate!r})"

    async def decide(self, request: Request) -> Decision:
        """Pass on what can be answered freshly enough; wait for that as long as the request's patience lasts.

        Raises:
            TooStale: the facts in memory are older than the bound, or than the request asks for.
            StoreUnavailable: the store had to be asked and does not answer.
        """
        arrived = self._follower.now()
        needed = self._needed(request, arrived)
        try:
            return await within(_patience(request), self._decide(request, arrived, needed))
        except TimeoutError as error:
            raise self._too_late(request, needed) from error

    def _needed(self, request: Request, arrived: float) -> float:
        """Return the moment that the view must show at least."""
        consistency = request.consistency
        if consistency.requirement is Requirement.FULLY_CONSISTENT:
            return arrived
        if consistency.max_staleness is not None:
            return arrived - min(consistency.max_staleness, self._max_staleness)
        # Who asks for no more than what is there is refused at once where that is too old; others wait.
        waits = consistency.requirement is Requirement.AT_LEAST_AS_FRESH
        return arrived - self._max_staleness if waits else float("-inf")

    async def _decide(self, request: Request, arrived: float, needed: float) -> Decision:
        for _ in range(ATTEMPTS):
            if self._follower.seen_at < needed:
                await self._see(needed)
            # What is decided now is as old as the view is now, whatever is seen until it is decided.
            seen = self._follower.seen_at
            self._require_fresh(seen)
            if not await self._reaches(request, arrived):
                return Decision(allowed=False, reason=Reason.TENANT_UNKNOWN)
            decision = await self._delegate.decide(request)
            # The process may have been stopped meanwhile, or the store slow.
            if self._follower.now() - seen <= self._max_staleness:
                return decision
        raise TooStale("facts grow too old while they are read; try again", staleness=self._follower.staleness())

    def _require_fresh(self, seen: float) -> None:
        age = self._follower.now() - seen
        if age > self._max_staleness:
            message = f"the newest view of the store is {age:.1f} s old; the bound is {self._max_staleness:g} s"
            raise TooStale(message, staleness=age)

    async def _see(self, moment: float) -> None:
        """Wait until the view shows at least this moment; a store that does not answer may do so yet."""
        while self._follower.seen_at < moment:
            try:
                await self._follower.catch_up()
            except Unavailable:
                await self._follower.look_ended()

    async def _reaches(self, request: Request, arrived: float) -> bool:
        """Wait until the tenant is at the revision asked for; return whether there is such a tenant."""
        wanted = request.consistency.revision
        while True:
            standing = await self._snapshots.standing(request.tenant)
            if standing is not None and standing.revision >= wanted:
                return True
            if standing is None and (wanted == 0 or self._follower.seen_at >= arrived):
                return False
            if self._follower.seen_at < arrived:
                await self._see(arrived)
            else:
                await self._follower.look_ended()

    def _too_late(self, request: Request, needed: float) -> Unavailable:
        """Return what a request without any patience left is told."""
        age = self._follower.staleness()
        held = self._snapshots.peek(request.tenant)
        behind = request.consistency.revision - (held.revision if held else 0)
        if self._follower.seen_at < needed:
            return TooStale(f"the store was not seen in time: the newest view is {age:.1f} s old", staleness=age)
        if behind > 0:
            message = f"tenant `{request.tenant}` is not at the revision asked for yet: {behind} behind; try again"
            return TooStale(message, staleness=age, behind=behind)
        return StoreUnavailable("the store did not answer in time")


def _patience(request: Request) -> float:
    """Return the seconds after which a request ends, whatever it waits for."""
    if request.patience is None:
        return PATIENCE
    least, most = MARGIN
    margin = max(least, min(request.patience / 10, most), ROUNDING * request.patience)
    return request.patience - min(margin, request.patience / 2)
