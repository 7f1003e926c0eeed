"""The machine's clock, checked against one that can't be set."""

from datetime import UTC, datetime, timedelta

import pytest

from sidegate.runtime.clock import CheckedClock

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Machine:
    """A machine on which time passes, and whose clock somebody sets."""

    def __init__(self):
        self.passed, self.step = 0.0, timedelta()
        self.checked = CheckedClock(clock=self.shown, steady=lambda: self.passed)

    def shown(self):
        return START + timedelta(seconds=self.passed) + self.step


@pytest.fixture
def machine():
    return Machine()


def test_small_steps_are_followed(machine):
    """Corrections of less than a minute count, however many there are."""
    for _ in range(10):
        machine.step += timedelta(seconds=50)
        machine.passed += 100
        assert machine.checked.now() == machine.shown()
    assert machine.checked.jump() == timedelta()


def test_a_jump_forward_and_back_leaves_no_trace(machine):
    """While the clock is twenty years ahead, time goes on from before the jump; after it, all is as it was."""
    machine.passed = 10
    machine.step = timedelta(days=7300)
    assert machine.checked.now() == START + timedelta(seconds=10)
    machine.passed = 3600
    assert machine.checked.now() == START + timedelta(hours=1)
    assert machine.checked.jump() == timedelta(days=7300)
    machine.step = timedelta()
    assert machine.checked.now() == START + timedelta(hours=1)
    assert machine.checked.jump() == timedelta()


def test_a_jump_back_is_shown_and_followed(machine):
    """An earlier time can be moved beyond the newest change, so the clock itself counts."""
    machine.step = timedelta(days=-1)
    assert machine.checked.now() == machine.shown() == START - timedelta(days=1)
    assert machine.checked.jump() == timedelta(days=-1)
    machine.step = timedelta(seconds=5)
    assert machine.checked.now() == START + timedelta(seconds=5)
