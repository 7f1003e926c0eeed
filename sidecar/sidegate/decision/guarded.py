"""The outermost step: refuses what is too stale, and tells an unknown tenant before anything else is asked."""

from __future__ import annotations

from sidegate.errors import TooStale
from sidegate.membership.follower import Follower
from sidegate.membership.snapshot import Snapshots
from sidegate.model import Decision, Reason, Request, Requirement
from sidegate.ports import Decider


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
        """Pass on what can be answered freshly enough.

        Raises:
            TooStale: the facts in memory are older than the bound, or than the revision asked for.
            StoreUnavailable: the store had to be asked and does not answer.
        """
        await self._freshen(request)
        snapshot = await self._snapshots.tenant(request.tenant)
        if snapshot is None:
            return Decision(allowed=False, reason=Reason.TENANT_UNKNOWN)
        wanted = request.consistency.revision
        if snapshot.revision < wanted:
            await self._follower.catch_up()
            snapshot = await self._snapshots.tenant(request.tenant)
            if snapshot is None:
                return Decision(allowed=False, reason=Reason.TENANT_UNKNOWN)
            if snapshot.revision < wanted:
                raise TooStale(f"tenant `{request.tenant}` is not yet at the revision asked for; try again")
        return await self._delegate.decide(request)

    async def _freshen(self, request: Request) -> None:
        consistency = request.consistency
        if consistency.requirement is Requirement.FULLY_CONSISTENT:
            await self._follower.catch_up()
        asked = consistency.max_staleness
        if asked is not None and asked < self._follower.staleness():
            await self._follower.catch_up()
        age = self._follower.staleness()
        if age > self._max_staleness:
            raise TooStale(f"the newest view of the store is {age:.1f} s old; the bound is {self._max_staleness} s")
