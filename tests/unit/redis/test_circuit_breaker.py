"""The circuit breaker before Redis, by a clock that the test turns."""

from __future__ import annotations

import pytest

from sidegate_adapters.redis.circuit_breaker import FAILURES_IN_A_ROW, FIRST_PAUSE, LONGEST_PAUSE, Breaker


class Turned:
    """A breaker with its clock, and the states that it reported."""

    def __init__(self, chance: float = 1.0) -> None:
        self.now = 100.0
        self.states: list[str] = []
        self.breaker = Breaker(observe=self.states.append, clock=lambda: self.now, chance=lambda: chance)

    def fail(self, times: int = FAILURES_IN_A_ROW) -> None:
        for _ in range(times):
            self.breaker.failed()


def test_it_opens_after_failures_in_a_row_only():
    """A success in between starts the count again."""
    turned = Turned()
    turned.fail(FAILURES_IN_A_ROW - 1)
    turned.breaker.succeeded()
    turned.fail(FAILURES_IN_A_ROW - 1)
    assert turned.breaker.allows()
    turned.fail(1)
    assert not turned.breaker.allows()
    assert turned.states == ["closed", "open"]


def test_after_a_pause_one_may_try_and_its_outcome_decides():
    """While the one tries, no other may; a success closes it, a failure opens it again."""
    turned = Turned()
    turned.fail()
    turned.now += FIRST_PAUSE - 0.001
    assert not turned.breaker.allows()
    turned.now += 0.002
    assert turned.breaker.allows()
    assert not turned.breaker.allows()
    turned.breaker.failed()
    assert not turned.breaker.allows()
    turned.now += 2 * FIRST_PAUSE
    assert turned.breaker.allows()
    turned.breaker.succeeded()
    assert turned.breaker.allows()
    assert turned.states == ["closed", "open", "half_open", "open", "half_open", "closed"]


def test_pauses_grow_to_a_bound_and_start_again_after_a_success():
    """Redis that stays away is tried more and more seldom."""
    turned, pauses = Turned(), []
    turned.fail()
    for _ in range(8):
        began = turned.now
        while not turned.breaker.allows():
            turned.now += 0.05
        pauses.append(turned.now - began)
        turned.breaker.failed()
    assert pauses == pytest.approx([0.25, 0.5, 1, 2, 4, 8, LONGEST_PAUSE, LONGEST_PAUSE], abs=0.06)
    turned.now += LONGEST_PAUSE
    assert turned.breaker.allows()
    turned.breaker.succeeded()
    turned.fail()
    turned.now += FIRST_PAUSE + 0.001
    assert turned.breaker.allows()


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_sidecars_do_not_all_try_at_once(chance, pause):
    """Chance makes each pause between half as long and whole."""
    turned = Turned(chance)
    turned.fail()
    turned.now += pause * FIRST_PAUSE - 0.001
    assert not turned.breaker.allows()
    turned.now += 0.002
    assert turned.breaker.allows()


def test_failures_of_before_do_not_keep_it_open_longer():
    """What was asked before it opened and fails only now says nothing new."""
    turned = Turned()
    turned.fail()
    turned.now += FIRST_PAUSE - 0.001
    turned.fail(20)
    turned.now += 0.002
    assert turned.breaker.allows()
