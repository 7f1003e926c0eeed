"""The policy tests of all packs hold at every depth."""

from __future__ import annotations

from pathlib import Path

import pytest
from sidegate import bootstrap
from sidegate.policy.testfile import find_test_files, read_test_files
from sidegate.policy.testrun import run_tests

POLICIES = Path(__file__).parents[2] / "policies"
PACKS = sorted(place.parent.name for place in POLICIES.glob("*/pack.yaml"))


@pytest.mark.parametrize(
    ("through", "engine"),
    [("engine", "reference"), ("engine", "indexed"), ("chain", "indexed"), ("service", "indexed")],
)
@pytest.mark.parametrize("pack", PACKS)
async def test_every_check_of_the_pack_holds(pack, through, engine):
    """Evaluator, chain over a real store and real gRPC server give the expected decisions, on either engine."""
    files = read_test_files(find_test_files(POLICIES / pack))
    async with bootstrap.answerer(through, POLICIES, engine) as answerer:
        results = await run_tests(files, answerer)
    assert len(results) >= 50
    failed = [f"{r.file}:{r.line} {r.asked}: expected {r.expected}, got {r.got}" for r in results if not r.passed]
    assert failed == []
