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


async def test_a_users_settings_have_no_say_in_policy_tests(monkeypatch):
    """What stands in the environment for a server neither reaches the tests' database nor stops them."""
    monkeypatch.setenv("SIDEGATE_DATABASE", "sqlite:////nowhere/at/all.db")
    monkeypatch.setenv("SIDEGATE_DEFAULT_PACK", "no-such-pack")
    files = read_test_files(find_test_files(POLICIES / "eformsign"))[:1]
    async with bootstrap.answerer("chain", POLICIES, "indexed") as answerer:
        results = await run_tests(files, answerer)
    assert {result.passed for result in results} == {True}
