"""Enforces the staleness bound and each request's consistency: refuses stale facts, or waits for fresher ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sidegate.decision.known import Head
from sidegate.errors import LostRevision, NotInTime, StoreUnavailable, TooStale, Unavailable
from sidegate.model.question import Request, Requirement
from sidegate.model.revision import NO_REVISION
from sidegate.replica.follower import Follower
from sidegate.replica.snapshots import Snapshots
from sidegate.runtime.waiting import within

T = TypeVar("T")
PATIENCE: Final = 10.0
"""Seconds that a request without a deadline waits for facts."""
MARGIN: Final = (0.03, 0.25)
"""Seconds before its deadline that a request ends, at least and at most, so that its caller still gets the reason."""
ROUNDING: Final = 0.01
"""The share of a deadline by which gRPC, which sends few digits, may have rounded it up."""
ATTEMPTS: Final = 2
"""How often a question is answered whose answer was too old once it was made: the process may have been paused."""


class Freshness:
    """Answers where the facts in memory are as fresh as the request and the server require."""

    def __init__(self, follower: Follower, snapshots: Snapshots, *, max_staleness: float) -> None:
        self._follower = follower
        self._snapshots = snapshots
        self._max_staleness = max_staleness

    def __repr__(self) -> str:
        return f"Freshness(max_staleness={self._max_staleness}, {self._follower!r})"

    async def answered(self, request: Request, answer: Callable[[Request, Head], Awaitable[T]]) -> T | None:
        """Return the answer once it can be made freshly enough, None where there is no such tenant.

        Waits as long as the request's patience lasts. `answer` gets the tenant as it was looked up here.

        Raises:
            TooStale: the facts in memory are older than the bound, or than the request asks for.
            StoreUnavailable: the store had to be read and does not answer.
            NotInTime: the store answers, but not all that is needed was read in time.
        """
        arrived = self._follower.now()
        needed = self._needed(request, arrived)
        try:
            return await within(patience_of(request), self._answered(request, answer, arrived, needed))
        except TimeoutError as error:
            raise self._too_late(request, arrived, needed) from error

    def _needed(self, request: Request, arrived: float) -> float:
        """Return the time that the view must have reached."""
        consistency = request.consistency
        if consistency.requirement is Requirement.FULLY_CONSISTENT:
            return arrived
        if consistency.max_staleness is not None:
            return arrived - min(consistency.max_staleness, self._max_staleness)
        # With MINIMIZE_LATENCY facts that are too old are refused immediately; with the others they are waited for.
        waits = consistency.requirement is Requirement.AT_LEAST_AS_FRESH
        return arrived - self._max_staleness if waits else float("-inf")

    async def _answered(
        self, request: Request, answer: Callable[[Request, Head], Awaitable[T]], arrived: float, needed: float
    ) -> T | None:
        for _ in range(ATTEMPTS):
            if self._follower.view_time < needed:
                await self._wait_for_view(needed)
            # An answer is as old as the view is now, whatever is seen until the answer is made.
            seen = self._follower.view_time
            self._require_fresh(seen)
            head = await self._reached(request, arrived)
            if head is None:
                return None
            made = await answer(request, head)
            # The process may have been stopped meanwhile, or the store may be slow.
            if self._follower.now() - seen <= self._max_staleness:
                return made
        raise TooStale("facts grow too old while they are read; try again", staleness=self._follower.staleness())

    def _require_fresh(self, seen: float) -> None:
        age = self._follower.now() - seen
        if age > self._max_staleness:
            message = f"the newest view of the store is {age:.1f} s old; the bound is {self._max_staleness:g} s"
            raise TooStale(message, staleness=age)

    async def _wait_for_view(self, time: float) -> None:
        """Wait until the view has reached this time; a store that does not answer may answer later."""
        while self._follower.view_time < time:
            try:
                await self._follower.catch_up()
            except Unavailable:
                await self._follower.poll_ended()

    async def _reached(self, request: Request, arrived: float) -> Head | None:
        """Wait until the tenant is seen at the revision asked for or later; None where there is no such tenant.

        The tenant may have changed since it was looked up, where its history had to be read from the store.

        Raises:
            LostRevision: a poll that began after the question did not find that revision in the tenant's history.
        """
        wanted, history = request.consistency.revision, self._snapshots.revisions
        if not wanted.number:
            return await self._snapshots.tenant_head(request.tenant)
        while True:
            seen = self._follower.view_time >= arrived
            head = await self._snapshots.tenant_head(request.tenant)
            if head is not None and await history.reached(request.tenant, wanted, here=head.revision):
                return head
            if not seen:
                await self._wait_for_view(arrived)
            elif head is None and await history.contains(request.tenant, wanted):
                return None
            else:
                raise _lost(request, head)

    def _too_late(self, request: Request, arrived: float, needed: float) -> Unavailable:
        """Return the error of a request that has no patience left."""
        age = self._follower.staleness()
        held = self._snapshots.peek(request.tenant)
        if self._follower.view_time < needed:
            return TooStale(f"the store was not read in time: the newest view is {age:.1f} s old", staleness=age)
        # How far a tenant is behind is known only where it is in memory.
        if held is not None and (behind := _behind(request, held)) > 0:
            message = f"tenant `{request.tenant}` is not at the revision asked for yet: {behind} behind; try again"
            return TooStale(message, staleness=age, behind=behind)
        if self._follower.view_time >= arrived:
            return NotInTime("the store answers, but the facts of this call were not read in time; try again")
        return StoreUnavailable("the store did not answer in time")


def _lost(request: Request, head: Head | None) -> LostRevision:
    message = f"the revision asked for is not in the history of tenant `{request.tenant}`"
    advice = "the store may have been restored to an earlier state since; drop the token and ask without it"
    return LostRevision(f"{message}: {advice}", behind=max(0, _behind(request, head)))


def _behind(request: Request, head: Head | None) -> int:
    """Return how many revisions a tenant is behind the one asked for, at least."""
    return request.consistency.revision.number - (head.revision if head else NO_REVISION).number


def patience_of(request: Request) -> float:
    """Return the seconds after which a request stops waiting."""
    if request.patience is None:
        return PATIENCE
    least, most = MARGIN
    margin = max(least, min(request.patience / 10, most), ROUNDING * request.patience)
    return request.patience - min(margin, request.patience / 2)
