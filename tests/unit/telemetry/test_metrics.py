"""Metrics as Prometheus scrapes them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from platform import python_version
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from sidegate import __version__
from sidegate.errors import StartError
from sidegate.telemetry.cache import CacheEvent
from sidegate.telemetry.calls import FinishedCall
from sidegate.telemetry.metrics import Metrics
from sidegate.telemetry.sync import SyncEvent
from support.paths import ROOT


@dataclass(frozen=True)
class Decided:
    outcome: str
    reason: str
    seconds: float


def test_calls_and_decisions_are_scraped_over_http() -> None:
    """What was observed is at /metrics, counted by method, code, outcome and reason; a stop closes the port."""
    metrics = Metrics()
    metrics.observe_call(FinishedCall("s.S/Check", "OK", 0.002))
    metrics.observe_call(FinishedCall("s.S/Check", "OK", 0.002))
    metrics.observe_call(FinishedCall("s.S/Check", "INTERNAL", 0.002))
    metrics.observe_decision(Decided("deny", "not_a_member", 0.001))
    server = metrics.serve("127.0.0.1", 0, unready_reason=str)
    try:
        with urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
    finally:
        server.stop()

    assert 'sidegate_grpc_calls_total{code="OK",method="s.S/Check"} 2.0' in lines
    assert 'sidegate_grpc_calls_total{code="INTERNAL",method="s.S/Check"} 1.0' in lines
    assert 'sidegate_grpc_call_seconds_count{method="s.S/Check"} 3.0' in lines
    assert 'sidegate_decisions_total{outcome="deny",reason="not_a_member"} 1.0' in lines
    assert "sidegate_decision_seconds_count 1.0" in lines
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://127.0.0.1:{server.port}/metrics")


@pytest.mark.parametrize(
    ("path", "reason", "expected"),
    [
        ("/healthz", "", (200, "ok\n")),
        ("/healthz", "too old", (200, "ok\n")),
        ("/readyz", "", (200, "ready\n")),
        ("/readyz", "too old", (503, "too old\n")),
        ("/", "", (404, "not found: there are /metrics, /healthz and /readyz\n")),
        ("/metrics/x", "", (404, "not found: there are /metrics, /healthz and /readyz\n")),
    ],
)
def test_each_path_of_the_metrics_port_answers_for_itself(path: str, reason: str, expected: tuple[int, str]) -> None:
    """/healthz says that the process lives, /readyz whether it can decide and why not; other paths are not found."""
    server = Metrics().serve("127.0.0.1", 0, unready_reason=lambda: reason)
    try:
        with urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
            found = answer.status, answer.read().decode()
    except HTTPError as error:
        found = error.code, error.read().decode()
    finally:
        server.stop()

    assert found == expected


def test_process_and_build_are_scraped_without_creation_times() -> None:
    """The process's own metrics and the version are there; no series ends in `_created`."""
    metrics = Metrics()
    metrics.observe_decision(Decided("deny", "not_a_member", 0.001))
    names = {sample.name for family in metrics.registry.collect() for sample in family.samples}

    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"} <= names
    assert [name for name in names if name.endswith("_created")] == []
    labels = {"version": __version__, "python": python_version()}
    assert metrics.registry.get_sample_value("sidegate_build_info", labels) == 1


def test_a_taken_port_is_a_start_error() -> None:
    """Metrics that can't be served stop the start with one sentence that names the address."""
    metrics = Metrics()
    server = metrics.serve("127.0.0.1", 0, unready_reason=str)
    try:
        with pytest.raises(StartError, match=f"`127.0.0.1:{server.port}`"):
            metrics.serve("127.0.0.1", server.port, unready_reason=str)
    finally:
        server.stop()


def test_two_servers_in_one_process_do_not_share_metrics() -> None:
    """Each Metrics has a registry of its own."""
    one, other = Metrics(), Metrics()
    one.observe_call(FinishedCall("s.S/Check", "OK", 0.1))

    labels = {"method": "s.S/Check", "code": "OK"}
    assert one.registry.get_sample_value("sidegate_grpc_calls_total", labels) == 1.0
    assert other.registry.get_sample_value("sidegate_grpc_calls_total", labels) is None


def test_the_page_of_metrics_names_every_one_and_no_other() -> None:
    """docs/metrics.md and the registry agree on names and kinds."""
    metrics = Metrics()
    metrics.sync.show(lambda: 0.0, lambda: (0, 0), lambda: True)
    metrics.sync.show_clocks(timedelta, timedelta)
    metrics.show_watchers(lambda: 0)
    metrics.admission.show_lanes({})
    collected = {(family.name, family.type) for family in metrics.registry.collect()}
    known = {(name, kind) for name, kind in collected if name.startswith("sidegate_")}
    assert {name.partition("_")[0] for name, _ in collected - known} == {"process"}

    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE)) == known


def test_how_a_sidecar_follows_the_store_is_scraped() -> None:
    """Each event has a counter of its own, lags add up, and gauges show what is so when somebody asks."""
    metrics = Metrics()
    staleness = 1.5
    metrics.sync.show(lambda: staleness, lambda: (3, 40), lambda: True)
    for event in SyncEvent:
        metrics.sync.count(event)
    metrics.sync.lagged(0.02)
    staleness = 2.5

    samples = {sample.name: sample.value for family in metrics.registry.collect() for sample in family.samples}

    assert len([name for name, value in samples.items() if name.endswith("_total") and value == 1]) == len(SyncEvent)
    assert samples["sidegate_sync_lag_seconds_sum"] == 0.02
    assert (samples["sidegate_staleness_seconds"], samples["sidegate_hints_connected"]) == (2.5, 1.0)
    assert (samples["sidegate_tenants_held"], samples["sidegate_resources_held"]) == (3.0, 40.0)


def test_how_the_decision_cache_works_is_scraped() -> None:
    """Each event has a counter of its own, and the breaker shows the one state that it is in."""
    metrics = Metrics()
    for event in CacheEvent:
        metrics.cache.count(event)
    for state in ("closed", "open", "half_open"):
        metrics.cache.breaker(state)

    samples = [sample for family in metrics.registry.collect() for sample in family.samples]

    assert len([sample for sample in samples if sample.name.endswith("_total") and sample.value == 1]) == len(
        CacheEvent
    )
    states = {sample.labels["state"]: sample.value for sample in samples if sample.name == "sidegate_cache_breaker"}
    assert states == {"closed": 0, "half_open": 1, "open": 0}


@dataclass
class Lane:
    running: int = 1
    waiting: int = 2
    admitted: int = 3
    full: int = 4
    late: int = 5


def test_admission_is_scraped_by_class() -> None:
    """Each class of calls shows how many run and wait now, how many were admitted and refused, and the waits."""
    metrics = Metrics()
    lane = Lane()
    metrics.admission.show_lanes({"list": lane})
    metrics.admission.waited("list", 0.02)
    lane.running = 6

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"sidegate_admission_{name}", {"class": "list", **labels})

    assert (value("running"), value("waiting"), value("admitted_total")) == (6, 2, 3)
    assert value("refused_total", cause="queue_full") == 4
    assert value("refused_total", cause="too_late") == 5
    assert value("wait_seconds_count") == 1
