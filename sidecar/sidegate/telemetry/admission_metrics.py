"""The metrics of the admission of calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidegate.telemetry.admission import LaneFigures

_WAIT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class AdmissionMetrics:
    """An `AdmissionObserver` that keeps metrics.

    Counts are read at each scrape, since a counter of the library costs as much as the admission of a Check.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._waits = Histogram(
            "sidegate_admission_wait_seconds",
            "How long calls waited for their turn that did not begin immediately.",
            ("class",),
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )

    def show_lanes(self, lanes: Mapping[str, LaneFigures]) -> None:
        """Show the figures of these classes from now on at each scrape."""
        self._registry.register(_Lanes(lanes))

    def waited(self, call_class: str, seconds: float) -> None:
        """Record how long a call waited before it was admitted."""
        self._waits.labels(call_class).observe(seconds)


class _Lanes(Collector):
    def __init__(self, lanes: Mapping[str, LaneFigures]) -> None:
        self._lanes = lanes

    def collect(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("sidegate_admission_running", "Calls that run.", labels=("class",))
        waiting = GaugeMetricFamily("sidegate_admission_waiting", "Calls that wait for their turn.", labels=("class",))
        admitted = CounterMetricFamily("sidegate_admission_admitted", "Calls that were admitted.", labels=("class",))
        refused = CounterMetricFamily(
            "sidegate_admission_refused", "Calls that were refused, and why.", labels=("class", "cause")
        )
        for name, figures in self._lanes.items():
            running.add_metric((name,), figures.running)
            waiting.add_metric((name,), figures.waiting)
            admitted.add_metric((name,), figures.admitted)
            refused.add_metric((name, "queue_full"), figures.full)
            refused.add_metric((name, "too_late"), figures.late)
        yield from (running, waiting, admitted, refused)
