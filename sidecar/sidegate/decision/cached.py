"""Remembers decisions: in this process, and in a cache that sidecars share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sidegate.decision.question import question_of
from sidegate.decision.remembered import Key, RememberedDecisions
from sidegate.decision.resolved import refusal
from sidegate.decision.sealed import SealedDecisions, Standing
from sidegate.membership.patching import TenantSnapshot
from sidegate.membership.snapshot import Snapshots
from sidegate.model import Decision, Request
from sidegate.ports import Decider
from sidegate.telemetry.cache import UNCOUNTED, CacheEvent, CacheObserver


@dataclass(frozen=True, slots=True)
class Tiers:
    """Where decisions are remembered: here, and where sidecars share them; that is asked `always`, or in the cold."""

    remembered: RememberedDecisions
    shared: SealedDecisions | None = None
    always: bool = False


class Cached:
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
        return f"Cached({self._tiers.remembered!r}, {self._delegate!r})"

    async def decide(self, request: Request) -> Decision:
        """Answer from a cache, else as the delegate does; errors are never remembered."""
        snapshot = self._snapshots.peek(request.tenant)
        if snapshot is None or not snapshot.pack.repeatable:
            self._observer.count(CacheEvent.BYPASS)
            return await self._delegate.decide(request)
        key = snapshot.lineage, snapshot.revision, question_of(request)
        decision = self._tiers.remembered.get(key)
        if decision is not None:
            self._observer.count(CacheEvent.HIT_MEMORY)
            return decision
        if refusal(request, snapshot) is not None:
            self._observer.count(CacheEvent.BYPASS)
            return await self._delegate.decide(request)
        in_memory = self._snapshots.holds(snapshot, request.resource)
        if in_memory and not (self._tiers.always and self._tiers.shared):
            # Nothing is waited for, so nobody could join.
            return await self._decided(key, request, snapshot)
        return await self._joined(key, request, snapshot)

    async def _joined(self, key: Key, request: Request, snapshot: TenantSnapshot) -> Decision:
        """Decide once, however many ask the same meanwhile; who goes away leaves the others their answer."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._looked_up(key, request, snapshot))
            self._flights[key] = flight
            flight.add_done_callback(lambda task: self._landed(key, task))
        else:
            self._observer.count(CacheEvent.JOIN)
        return await asyncio.shield(flight)

    def _landed(self, key: Key, task: asyncio.Task[Decision]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # whoever waited may have been cancelled; the next to ask is told the error again

    async def _looked_up(self, key: Key, request: Request, snapshot: TenantSnapshot) -> Decision:
        shared, question = self._tiers.shared, key[2]
        if shared is None:
            return await self._decided(key, request, snapshot)
        decision = await shared.get(question, Standing(snapshot.revision, snapshot.pack.pack.digest))
        if decision is not None:
            self._observer.count(CacheEvent.HIT_SHARED)
            self._tiers.remembered.put(key, decision)
            return decision
        decision = await self._decided(key, request, snapshot)
        if _is_of(decision, snapshot):
            shared.put(question, decision)
        return decision

    async def _decided(self, key: Key, request: Request, snapshot: TenantSnapshot) -> Decision:
        self._observer.count(CacheEvent.MISS)
        decision = await self._delegate.decide(request)
        if _is_of(decision, snapshot):
            self._tiers.remembered.put(key, decision)
        return decision


def _is_of(decision: Decision, snapshot: TenantSnapshot) -> bool:
    """Whether a decision was made from this snapshot; the delegate takes a later one where facts changed meanwhile."""
    return decision.revision == snapshot.revision and decision.policy_digest == snapshot.pack.pack.digest
