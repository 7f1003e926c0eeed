"""Wrong clocks in the log and in the metrics."""

from datetime import timedelta

import pytest

from sidegate.ports.clock import ClockCheck
from sidegate.telemetry.clocks import ClockLog
from sidegate.telemetry.metrics import Metrics

FAR = timedelta(days=7300)


@pytest.mark.parametrize(
    ("wrong", "event", "counter"),
    [
        (ClockCheck(jump=FAR), "clock jumped", "sidegate_clock_differences_total"),
        (ClockCheck(jump=-FAR), "clock jumped", "sidegate_clock_differences_total"),
        (ClockCheck(ahead_of_store=-FAR), "clock differs from the database", "sidegate_clock_differences_total"),
        (ClockCheck(history_ahead=FAR), "history ahead of the clock", "sidegate_history_ahead_writes_total"),
    ],
)
def test_each_write_is_counted_and_the_beginning_and_end_are_logged(wrong, event, counter, caplog):
    """However many writes a wrong clock meets, the log has one line with advice, and one when the clock is right."""
    caplog.set_level("INFO", logger="sidegate")
    metrics = Metrics()
    log = ClockLog(metrics.sync)
    right = ClockCheck(timedelta(seconds=59), timedelta(seconds=-59), -FAR)
    for check in (right, wrong, wrong, wrong, right, right):
        log.observe(check)

    warned, ended = [record.msg for record in caplog.records]
    assert (warned["event"], abs(warned["seconds"]), warned["level"]) == (event, FAR.total_seconds(), "warning")
    assert "correct the clock" in warned["advice"]
    assert (ended["event"], ended["after"]) == ("clock right again", event)
    counts = {sample.name: sample.value for family in metrics.registry.collect() for sample in family.samples}
    assert counts[counter] == 3
    other = {"sidegate_clock_differences_total", "sidegate_history_ahead_writes_total"} - {counter}
    assert [counts[name] for name in other] == [0]


def test_the_clocks_are_scraped():
    """How far the clock jumped, and how far the history is ahead; a history of the past is not ahead."""
    metrics = Metrics()
    metrics.sync.show_clocks(lambda: FAR, lambda: -FAR)
    shown = {sample.name: sample.value for family in metrics.registry.collect() for sample in family.samples}
    assert shown["sidegate_clock_jump_seconds"] == FAR.total_seconds()
    assert shown["sidegate_history_ahead_seconds"] == 0
