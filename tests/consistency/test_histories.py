"""Three sidecars, harmed in every way while clients write and read, keep each promise of docs/consistency.md."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product

import pytest

from sidegate.policy.pack.load import load_pack
from support.histories.cluster import NAMES, cluster
from support.histories.nemesis import FAULTS
from support.histories.record import Mode, Operation, Outcome, Page, Part, Read, Write
from support.histories.run import run
from support.histories.world import STANDARD
from support.paths import ROOT

SECONDS = float(os.environ.get("SIDEGATE_HISTORY_SECONDS", "1"))
SEED = int(os.environ.get("SIDEGATE_HISTORY_SEED", "1"))


@pytest.mark.timeout(SECONDS + 180)
async def test_every_claim_holds_whatever_goes_wrong():
    """Each fault once, in an order of chance: no claim is broken, and when it is over all sidecars agree."""
    async with cluster(flags) as servers:
        done = await run(servers, {digest(): STANDARD}, FAULTS, seed=SEED, seconds=SECONDS, enough=is_conclusive)
    broken = done.broken()
    assert not broken, done.report(broken)


def flags(name: str) -> Sequence[object]:
    """Return how sidecars are set here: as much as can be by way of Redis, while the other tests have the defaults."""
    return ("--cache", "always", *(() if name == "two" else ("--hints", "redis")))


def is_conclusive(operations: Sequence[Operation]) -> bool:
    """Return whether of all that can happen to a read or a write some did: other histories prove little."""
    reads = [it for it in operations if isinstance(it, Read)]
    outcomes = [it.outcome for it in operations if isinstance(it, Write)]
    answers = [(getattr(it.question, "part", None), it.demand.mode, it.answer.allowed) for it in reads if it.answer]
    return (
        {(part is None, mode) for part, mode, _ in answers} == {*product((True, False), Mode)}
        and {part for part, _, allowed in answers if allowed} == {None, *Part}
        and {part is None for part, _, allowed in answers if not allowed} == {True, False}
        and any(it.question.before for it in reads if isinstance(it.answer, Page))
        and {it.process.partition("#")[0] for it in reads if it.answer} == {*NAMES}
        and any(it.failure.startswith("UNAVAILABLE") for it in reads)
        and {*outcomes} == {*Outcome}
        and outcomes.count(Outcome.ACKNOWLEDGED) > 20
    )


def digest() -> str:
    """Return the digest of the pack that decides."""
    return load_pack(ROOT / "policies/standard").digest
