"""Remembers decisions: in this process, and in a cache that sidecars share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from sidegate.decision.cache_key import question_of, without_undeclared
from sidegate.decision.evaluate import BEFORE_RULES, refusal
from sidegate.decision.known import Examined, Head, Known, RuleDecider
from sidegate.decision.local_cache import Key, RememberedDecisions
from sidegate.decision.sealed_cache import SealedDecisions
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.replica.patches import TenantSnapshot
from sidegate.replica.snapshots import Snapshots
from sidegate.runtime.tasks import cancel_and_wait
from sidegate.telemetry.cache import UNCOUNTED, CacheEvent, CacheObserver

MAX_FLIGHTS: Final = 256
"""Decisions in progress that others can join, each of which goes on when its caller leaves."""


@dataclass(frozen=True, slots=True)
class Tiers:
    """Where decisions are remembered: in this process, and in a cache that sidecars share.

    The shared one is read where the delegate would have to read the store, or `always`.
    """

    remembered: RememberedDecisions
    shared: SealedDecisions | None = None
    always: bool = False


class DecisionCache:
    """Answers what was decided before from the same facts and rules; the delegate decides the rest.

    The revision that this sidecar would decide from is part of every key, and nothing is awaited between comparing it
    with the current one and reading memory: a write makes all older answers unreachable. Only decisions of rules are
    stored: what is refused before any rule is answered as quickly, and anyone who can call Check can ask for it.
    """

    def __init__(
        self, delegate: RuleDecider, *, snapshots: Snapshots, tiers: Tiers, observer: CacheObserver = UNCOUNTED
    ) -> None:
        self._delegate = delegate
        self._snapshots = snapshots
        self._tiers = tiers
        self._observer = observer
        self._flights: dict[Key, asyncio.Task[Decision]] = {}

    def __repr__(self) -> str:
        return f"DecisionCache({self._tiers.remembered!r}, {self._delegate!r})"

    async def decide(self, request: Request, head: Head) -> Decision:
        """Answer from a cache, else as the delegate does; errors are never remembered."""
        if not head.pack.repeatable or not self._snapshots.is_current(request.tenant, head):
            self._observer.count(CacheEvent.BYPASS)
            return await self._delegate.decide(request, head)
        key = head.lineage, head.revision.number, question_of(request, head.pack.claims)
        decision = self._tiers.remembered.get(key)
        if decision is not None:
            self._observer.count(CacheEvent.HIT_MEMORY)
            return decision
        if not isinstance(head, TenantSnapshot):
            return await self._joined(key, request, head)
        examined = self._examined(request, head)
        if examined.refusal is not None:
            self._observer.count(CacheEvent.BYPASS)
            return await self._delegate.decide(request, examined)
        if examined.resource is not None and not self._tiers.always:
            # Nothing is awaited, so no other request could join.
            return await self._decided(key, request, examined)
        return await self._joined(key, request, examined)

    async def close(self) -> None:
        """End the decisions in progress, which no request waits for any more."""
        await cancel_and_wait([*self._flights.values()])

    def _examined(self, request: Request, snapshot: TenantSnapshot) -> Examined:
        reason = refusal(request, snapshot)
        if reason is not None:
            return Examined(snapshot, reason)
        resource = request.resource
        type_ = snapshot.pack.pack.schema.resources[resource.type]
        return Examined(snapshot, None, self._snapshots.resource_in_memory(snapshot, type_, resource.id))

    async def _joined(self, key: Key, request: Request, known: Known) -> Decision:
        """Decide once for all who ask the same meanwhile; one that is cancelled does not cancel the others."""
        flight, whole = self._flights.get(key), request
        if flight is None and len(self._flights) >= MAX_FLIGHTS:
            # Without a task that outlives its caller: nothing is held for callers that have left.
            return await self._shared_or_decided(key, request, known)
        if flight is None:
            # A flight may outlive its caller, so it holds nothing that can't matter.
            request = without_undeclared(request, _head_of(known).pack.claims)
            flight = asyncio.create_task(self._shared_or_decided(key, request, known))
            self._flights[key] = flight
            flight.add_done_callback(lambda task: self._ended(key, task))
        else:
            self._observer.count(CacheEvent.JOIN)
        decision = await asyncio.shield(flight)
        if decision.policy_digest != _head_of(known).pack.pack.digest:
            # The pack changed meanwhile. Another pack may declare a claim in which the questions of this flight differ.
            return await self._delegate.decide(whole, known)
        return decision

    def _ended(self, key: Key, task: asyncio.Task[Decision]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # all callers may have been cancelled; the next one gets the error again

    async def _shared_or_decided(self, key: Key, request: Request, known: Known) -> Decision:
        shared = self._tiers.shared
        if shared is not None:
            head = _head_of(known)
            decision = await shared.get(key[2], revision=head.revision, policy_digest=head.pack.pack.digest)
            if decision is not None:
                self._observer.count(CacheEvent.HIT_SHARED)
                self._tiers.remembered.put(key, decision)
                return decision
        return await self._decided(key, request, known)

    async def _decided(self, key: Key, request: Request, known: Known) -> Decision:
        self._observer.count(CacheEvent.MISS)
        decision = await self._delegate.decide(request, known)
        if _is_of(decision, _head_of(known)) and decision.reason not in BEFORE_RULES:
            self._tiers.remembered.put(key, decision)
            if self._tiers.shared is not None:
                # The answer is sent first.
                asyncio.get_running_loop().call_soon(self._tiers.shared.put, key[2], decision)
        return decision


def _head_of(known: Known) -> Head:
    return known.snapshot if isinstance(known, Examined) else known


def _is_of(decision: Decision, head: Head) -> bool:
    """Return whether a decision was made from here; the delegate takes a later revision where facts changed since."""
    return decision.revision == head.revision and decision.policy_digest == head.pack.pack.digest
