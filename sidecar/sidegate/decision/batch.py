"""Decides the questions of one BatchCheck: those of each tenant from one revision of its facts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from time import perf_counter
from typing import Final

from sidegate.decision.freshness import Freshness
from sidegate.decision.known import Head, Together, TogetherDecider
from sidegate.decision.measure import Measurement
from sidegate.errors import SidegateError
from sidegate.model.decision import Decision, Reason
from sidegate.model.question import Consistency, Request, Requirement
from sidegate.ports.decider import Outcome

TENANTS_TOGETHER: Final = 8
"""Tenants of one batch that are decided about in parallel."""
_STRICTEST_FIRST: Final = (Requirement.FULLY_CONSISTENT, Requirement.AT_LEAST_AS_FRESH, Requirement.MINIMIZE_LATENCY)


class PinnedBatches:
    """A `BatchDecider` whose delegate decides all questions of a tenant from the facts of one revision.

    A question whose own consistency can't be met fails alone. The others are decided from facts that are as fresh as
    the strictest of them asks for.
    """

    def __init__(
        self, delegate: TogetherDecider, freshness: Freshness, *, observe: Callable[[Measurement], None]
    ) -> None:
        self._delegate = delegate
        self._freshness = freshness
        self._observe = observe

    def __repr__(self) -> str:
        return f"PinnedBatches({self._freshness!r}, {self._delegate!r})"

    async def decide(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Answer requests, in their order; the error of one is its outcome."""
        began = perf_counter()
        of_tenant: dict[str, list[int]] = {}
        for position, request in enumerate(requests):
            of_tenant.setdefault(request.tenant, []).append(position)
        outcomes: dict[int, Outcome] = {}
        turns = asyncio.Semaphore(TENANTS_TOGETHER)

        async def decide_tenant(positions: list[int]) -> None:
            async with turns:
                made = await self._of_tenant([requests[position] for position in positions])
            outcomes.update(zip(positions, made, strict=True))

        await asyncio.gather(*map(decide_tenant, of_tenant.values()))
        in_order = [outcomes[position] for position in range(len(requests))]
        each = (perf_counter() - began) / max(1, len(in_order))
        for outcome in in_order:
            self._observe(_measured(outcome, each))
        return in_order

    async def _of_tenant(self, requests: Sequence[Request]) -> list[Outcome]:
        errors = await self._unmet(requests)
        met = [request for request in requests if request.consistency not in errors]
        made: list[Outcome] = []
        if met:
            try:
                made = [*(await self._decided(met))]
            except Exception as error:  # noqa: BLE001 - one tenant fails alone, whatever happened; it is logged
                made = [error] * len(met)
        answers = iter(made)
        return [errors.get(request.consistency) or next(answers) for request in requests]

    async def _unmet(self, requests: Sequence[Request]) -> dict[Consistency, SidegateError]:
        """Return the errors of those consistencies that can't be met, where there are several; waits for the others."""
        wanted = dict.fromkeys(request.consistency for request in requests)
        if len(wanted) == 1:
            return {}

        async def error_of(consistency: Consistency) -> SidegateError | None:
            try:
                await self._freshness.answered(replace(requests[0], consistency=consistency), _nothing)
            except SidegateError as error:
                return error
            return None

        found = zip(wanted, await asyncio.gather(*map(error_of, wanted)), strict=True)
        return {consistency: error for consistency, error in found if error is not None}

    async def _decided(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        async def answer(_: Request, head: Head) -> Together:
            return await self._delegate.decide_together(requests, head)

        strictest = _strictest([request.consistency for request in requests])
        made = await self._freshness.answered(replace(requests[0], consistency=strictest), answer)
        if made is None:
            return [Decision(allowed=False, reason=Reason.TENANT_UNKNOWN) for _ in requests]
        return made.outcomes


async def _nothing(_: Request, __: Head) -> None:
    """Answer nothing: what counts is that the facts are fresh enough."""


def _strictest(wanted: Sequence[Consistency]) -> Consistency:
    """Return a consistency that meets all of these."""
    requirement = min((one.requirement for one in wanted), key=_STRICTEST_FIRST.index)
    revision = max((one.revision for one in wanted), key=attrgetter("number"))
    bounds = [one.max_staleness for one in wanted if one.max_staleness is not None]
    return Consistency(requirement, revision, min(bounds, default=None))


def _measured(outcome: Outcome, seconds: float) -> Measurement:
    """Return the record of one question of a batch, which gets an equal share of the batch's time."""
    if isinstance(outcome, Decision):
        return Measurement("allow" if outcome.allowed else "deny", outcome.reason, seconds)
    reason = outcome.reason if isinstance(outcome, SidegateError) else "INTERNAL"
    return Measurement("error", reason, seconds)
