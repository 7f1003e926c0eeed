"""Remembers decisions: in this process, and in a cache that sidecars share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sidegate.decision.cache_key import question_of, without_undeclared
from sidegate.decision.evaluate import BEFORE_RULES, refusal
from sidegate.decision.known import Examined, Head, Known, RuleDecider, Together
from sidegate.decision.local_cache import Key, RememberedDecisions
from sidegate.decision.sealed_cache import SealedDecisions
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.ports.decider import Outcome
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
        key = self._key(request, head)
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

    async def decide_together(self, requests: Sequence[Request], head: Head | None) -> Together:
        """Answer requests of one tenant from one revision: from the caches, and the others as the delegate does.

        Where the delegate decides from another revision than the caches answered from, it decides all of them.
        """
        if head is None or not head.pack.repeatable or not self._snapshots.is_current(requests[0].tenant, head):
            self._count(CacheEvent.BYPASS, len(requests))
            return await self._delegate.decide_together(requests, head)
        keys = [self._key(request, head) for request in requests]
        outcomes: list[Outcome | None] = [self._tiers.remembered.get(key) for key in keys]
        self._count(CacheEvent.HIT_MEMORY, len(keys) - outcomes.count(None))
        await self._ask_shared(requests, keys, outcomes, head)
        open_ = [position for position, outcome in enumerate(outcomes) if outcome is None]
        if open_:
            made = await self._delegate.decide_together([requests[position] for position in open_], head)
            refused = sum(isinstance(one, Decision) and one.reason in BEFORE_RULES for one in made.outcomes)
            self._count(CacheEvent.BYPASS, refused)
            self._count(CacheEvent.MISS, len(open_) - refused)
            if len(open_) < len(requests) and not _same_facts_and_rules(made.head, head):
                # What the caches answered belongs to an older revision.
                return await self._delegate.decide_together(requests, made.head)
            for position, outcome in zip(open_, made.outcomes, strict=True):
                outcomes[position] = outcome
                if isinstance(outcome, Decision):
                    self._remember(keys[position], outcome, head)
            head = made.head
        return Together([outcome for outcome in outcomes if outcome is not None], head)

    async def _ask_shared(
        self, requests: Sequence[Request], keys: Sequence[Key], outcomes: list[Outcome | None], head: Head
    ) -> None:
        """Fill in what the shared cache holds of the requests that are open, where it is asked for them at all."""
        shared = self._tiers.shared
        if shared is None:
            return
        open_ = (position for position, outcome in enumerate(outcomes) if outcome is None)
        asked = [position for position in open_ if self._is_shared(requests[position], head)]
        digest = head.pack.pack.digest
        reads = (shared.get(keys[position][2], revision=head.revision, policy_digest=digest) for position in asked)
        # Reads that start together are sent together.
        for position, decision in zip(asked, await asyncio.gather(*reads), strict=True):
            if decision is not None:
                self._observer.count(CacheEvent.HIT_SHARED)
                self._tiers.remembered.put(keys[position], decision)
                outcomes[position] = decision

    def _is_shared(self, request: Request, head: Head) -> bool:
        """Return whether the shared cache is asked for a request that memory does not answer."""
        if not isinstance(head, TenantSnapshot):
            return True
        examined = self._examined(request, head)
        return examined.refusal is None and (examined.resource is None or self._tiers.always)

    def _key(self, request: Request, head: Head) -> Key:
        return head.lineage, head.revision.number, question_of(request, head.pack.claims)

    def _count(self, event: CacheEvent, times: int) -> None:
        for _ in range(times):
            self._observer.count(event)

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
        self._remember(key, decision, _head_of(known))
        return decision

    def _remember(self, key: Key, decision: Decision, head: Head) -> None:
        if _is_of(decision, head) and decision.reason not in BEFORE_RULES:
            self._tiers.remembered.put(key, decision)
            if self._tiers.shared is not None:
                # The answer is sent first.
                asyncio.get_running_loop().call_soon(self._tiers.shared.put, key[2], decision)


def _head_of(known: Known) -> Head:
    return known.snapshot if isinstance(known, Examined) else known


def _same_facts_and_rules(one: Head | None, other: Head) -> bool:
    return one is not None and one.revision == other.revision and one.pack.pack.digest == other.pack.pack.digest


def _is_of(decision: Decision, head: Head) -> bool:
    """Return whether a decision was made from here; the delegate takes a later revision where facts changed since."""
    return decision.revision == head.revision and decision.policy_digest == head.pack.pack.digest
