"""The step that refuses facts that are too old, and denies an unknown tenant."""

from __future__ import annotations

from sidegate.decision.freshness import Freshness
from sidegate.decision.known import TenantDecider
from sidegate.model.decision import Decision, Reason
from sidegate.model.question import Request


class FreshnessGuard:
    """Passes on a request where the facts in memory are as fresh as the request and the server require."""

    def __init__(self, delegate: TenantDecider, freshness: Freshness) -> None:
        self._delegate = delegate
        self._freshness = freshness

    def __repr__(self) -> str:
        return f"FreshnessGuard({self._freshness!r}, {self._delegate!r})"

    async def decide(self, request: Request) -> Decision:
        """Pass on a request that can be answered freshly enough.

        Raises:
            TooStale: the facts in memory are older than the bound, or than the request asks for.
            StoreUnavailable: the store had to be read and does not answer.
        """
        decision = await self._freshness.answered(request, self._delegate.decide)
        return Decision(allowed=False, reason=Reason.TENANT_UNKNOWN) if decision is None else decision
