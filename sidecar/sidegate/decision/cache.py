"""Remembers decisions: in this process, and in a cache that sidecars share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sidegate.decision.cache_key import question_of
from sidegate.decision.evaluate import BEFORE_RULES, refusal
from sidegate.decision.local_cache import Key, RememberedDecisions
from sidegate.decision.sealed_cache import SealedDecisions
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.ports.decider import Decider
from sidegate.replica.patches import TenantSnapshot
from sidegate.replica.snapshots import Snapshots
from sidegate.replica.tenant_head import TenantHead
from sidegate.runtime.tasks import cancel_and_wait
from sidegate.telemetry.cache import UNCOUNTED, CacheEvent, CacheObserver


@dataclass(frozen=True, slots=True)
class Tiers:
    """Where decisions are remembered: here, and where sidecars share them.

    What is shared is asked for where the delegate would have to ask the store, or `always`.
    """

    remembered: RememberedDecisions
    shared: SealedDecisions | None = None
    always: bool = False


class DecisionCache:
    """Answers what was decided before from the same facts and rules; the delegate decides the rest.

    The revision that this sidecar would decide from is taken in the same breath as the look into memory, and it is part
    of every key: a write makes all older answers unreachable. Kept is only what rules decided; what is refused before
    any rule is told as quickly, and whoever can ask at all can ask that.
    """

    def __init__(
        self, delegate: Decider, *, snapshots: Snapshots, tiers: Tiers, observer: CacheObserver = UNCOUNTED
    ) -> None:
        self._delegate = delegate
        self._snapshots = snapshots
        self._tiers = tiers
        self._observer = observer
        self._flights: dict[Key, asyncio.Task[Decision]] = {}

    def __repr__(self) -> str:
        return f"DecisionCache({self._tiers.remembered!r}, {self._delegate!r})"

    async def decide(self, request: Request) -> Decision:
        """Answer from a cache, else as the delegate does; errors are never remembered."""
        standing = self._snapshots.known_head(request.tenant)
        if standing is None or not standing.pack.repeatable:
            self._observer.count(CacheEvent.BYPASS)
            return await self._delegate.decide(request)
        key = standing.lineage, standing.revision.number, question_of(request)
        decision = self._tiers.remembered.get(key)
        if decision is not None:
            self._observer.count(CacheEvent.HIT_MEMORY)
            return decision
        if isinstance(standing, TenantSnapshot):
            if refusal(request, standing) is not None:
                self._observer.count(CacheEvent.BYPASS)
                return await self._delegate.decide(request)
            if self._snapshots.holds(standing, request.resource) and not self._tiers.always:
                # Nothing is waited for, so nobody could join.
                return await self._decided(key, request, standing)
        return await self._joined(key, request, standing)

    async def close(self) -> None:
        """End what is still being decided, which nobody waits for any more."""
        await cancel_and_wait([*self._flights.values()])

    async def _joined(self, key: Key, request: Request, standing: TenantSnapshot | TenantHead) -> Decision:
        """Decide once, however many ask the same meanwhile; who goes away leaves the others their answer."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._looked_up(key, request, standing))
            self._flights[key] = flight
            flight.add_done_callback(lambda task: self._landed(key, task))
        else:
            self._observer.count(CacheEvent.JOIN)
        return await asyncio.shield(flight)

    def _landed(self, key: Key, task: asyncio.Task[Decision]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # whoever waited may have been cancelled; the next to ask is told the error again

    async def _looked_up(self, key: Key, request: Request, standing: TenantSnapshot | TenantHead) -> Decision:
        shared = self._tiers.shared
        if shared is not None:
            digest = standing.pack.pack.digest
            decision = await shared.get(key[2], revision=standing.revision, policy_digest=digest)
            if decision is not None:
                self._observer.count(CacheEvent.HIT_SHARED)
                self._tiers.remembered.put(key, decision)
                return decision
        return await self._decided(key, request, standing)

    async def _decided(self, key: Key, request: Request, standing: TenantSnapshot | TenantHead) -> Decision:
        self._observer.count(CacheEvent.MISS)
        decision = await self._delegate.decide(request)
        if _is_of(decision, standing) and decision.reason not in BEFORE_RULES:
            self._tiers.remembered.put(key, decision)
            if self._tiers.shared is not None:
                # The answer goes first.
                asyncio.get_running_loop().call_soon(self._tiers.shared.put, key[2], decision)
        return decision


def _is_of(decision: Decision, standing: TenantSnapshot | TenantHead) -> bool:
    """Whether a decision was made from here; the delegate takes a later revision where facts changed meanwhile."""
    return decision.revision == standing.revision and decision.policy_digest == standing.pack.pack.digest
