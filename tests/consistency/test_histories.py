"""Three sidecars, harmed in every way while clients write and read, keep each promise of docs/consistency.md."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product

import pytest

from sidegate.policy.pack.load import load_pack
from support.histories.cluster import NAMES, cluster
from support.histories.nemesis import FAULTS
from support.histories.record import Mode, Outcome, Page, Part, Read, Write
from support.histories.run import Run, run
from support.histories.world import STANDARD
from support.paths import ROOT

SECONDS = float(os.environ.get("SIDEGATE_HISTORY_SECONDS", "1"))
SEED = int(os.environ.get("SIDEGATE_HISTORY_SEED", "1"))


@pytest.mark.timeout(SECONDS + 180)
async def test_every_claim_holds_whatever_goes_wrong():
    """Each fault once, in an order of chance: no claim is broken, and when it is over all sidecars agree."""
    async with cluster(flags) as servers:
        done = await run(servers, {digest(): STANDARD}, FAULTS, seed=SEED, seconds=SECONDS)
    broken = done.broken()
    assert not broken, done.report(broken)
    assert_it_was_put_to_the_test(done)


def flags(name: str) -> Sequence[object]:
    """Return how sidecars are set here: as much as can be by way of Redis, while the other tests have the defaults."""
    return ("--cache", "always", *(() if name == "two" else ("--hints", "redis")))


def assert_it_was_put_to_the_test(done: Run) -> None:
    """A history in which little happened proves little: of all that can happen to a read or a write, some did."""
    reads = [it for it in done.history.operations if isinstance(it, Read)]
    writes = [it for it in done.history.operations if isinstance(it, Write)]
    answers = [(getattr(it.question, "part", None), it.demand.mode, it.answer.allowed) for it in reads if it.answer]
    assert {(part is None, mode) for part, mode, _ in answers} == {*product((True, False), Mode)}
    assert {part for part, _, allowed in answers if allowed} == {None, *Part}
    assert {part is None for part, _, allowed in answers if not allowed} == {True, False}
    assert any(it.question.before for it in reads if isinstance(it.answer, Page))
    assert {it.process.partition("#")[0] for it in reads if it.answer} == {*NAMES}
    assert any(it.failure.startswith("UNAVAILABLE") for it in reads)
    assert {it.outcome for it in writes} == {*Outcome}
    assert sum(len(timeline.states) for timeline in done.history.timelines.values()) > 20


def digest() -> str:
    """Return the digest of the pack that decides."""
    return load_pack(ROOT / "policies/standard").digest
