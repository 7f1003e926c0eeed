"""Prometheus metrics; nothing else knows the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from platform import python_version
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from sidegate import __version__
from sidegate.telemetry.admission_metrics import AdmissionMetrics
from sidegate.telemetry.cache import CacheEvent
from sidegate.telemetry.callers import CallerEvent, RefusedCall
from sidegate.telemetry.calls import FinishedCall
from sidegate.telemetry.metrics_server import MetricsRefusal, MetricsServer, allow_all, serve_metrics
from sidegate.telemetry.sync import SyncEvent

# A creation time beside each counter and histogram adds a series for each set of labels, which nothing here uses.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves it unannotated

# From a decision out of memory to one that had to wait for the store and gave up.
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# From a write that a hint announced immediately to one that waited for a poll, or for a store that was away.
_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SYNC_COUNTERS = {
    SyncEvent.POLL: ("sidegate_sync_polls", "Complete polls of the store's feed."),
    SyncEvent.POLL_FAILED: ("sidegate_sync_poll_failures", "Polls of the store's feed that failed."),
    SyncEvent.HINT: ("sidegate_sync_hints", "Hints that something was written."),
    SyncEvent.GAP: ("sidegate_sync_gaps", "Polls that found a feed which does not continue the one read before."),
    SyncEvent.JOIN: ("sidegate_snapshot_load_joins", "First touches of a tenant that joined a load under way."),
    SyncEvent.RELOAD: ("sidegate_snapshot_reloads", "Tenants that changes alone could not bring up to date."),
    SyncEvent.VERIFIED: ("sidegate_drift_checks", "Comparisons of memory with the store that found both the same."),
    SyncEvent.DRIFTED: ("sidegate_drift_repairs", "Tenants and resources that were not what the store holds."),
    SyncEvent.PACKS_RELOADED: ("sidegate_pack_reloads", "Times that the packs were loaded again."),
    SyncEvent.PACKS_REFUSED: ("sidegate_pack_reload_failures", "Times that packs had faults and the old ones stayed."),
    SyncEvent.TENANT_EVICTED: ("sidegate_tenant_evictions", "Tenants that went out of memory for others."),
    SyncEvent.RESOURCE_EVICTED: ("sidegate_resource_evictions", "Resources that went out of memory for others."),
    SyncEvent.GRANTS_ENDED: (
        "sidegate_returned_roles",
        "Roles that packs declared again, whose old grants were ended.",
    ),
    SyncEvent.CLOCK_DIFFERS: ("sidegate_clock_differences", "Writes for which the machine's clock was not relied on."),
    SyncEvent.HISTORY_AHEAD: ("sidegate_history_ahead_writes", "Writes while the newest change was of the future."),
}


class DecisionRecord(Protocol):
    """What metrics need of a decision: "allow", "deny" or "error", a stable reason, and how long it took."""

    @property
    def outcome(self) -> str:
        """What came out."""

    @property
    def reason(self) -> str:
        """Why."""

    @property
    def seconds(self) -> float:
        """How long it took."""


_CACHE_COUNTERS = {
    CacheEvent.HIT_MEMORY: ("sidegate_cache_memory_hits", "Decisions that were in memory."),
    CacheEvent.HIT_SHARED: ("sidegate_cache_shared_hits", "Decisions that were in Redis."),
    CacheEvent.MISS: ("sidegate_cache_misses", "Decisions that were in no cache and could be."),
    CacheEvent.JOIN: ("sidegate_cache_joins", "Questions that joined the same one under way."),
    CacheEvent.BYPASS: ("sidegate_cache_bypasses", "Questions that no cache was asked."),
    CacheEvent.REJECTED: ("sidegate_cache_rejections", "Entries in Redis that no sidecar of this database sealed."),
    CacheEvent.EVICTED: ("sidegate_cache_evictions", "Decisions that went out of memory for others."),
    CacheEvent.READ_FAILED: ("sidegate_cache_read_failures", "Reads that Redis did not answer in time."),
    CacheEvent.WRITE_DROPPED: ("sidegate_cache_dropped_writes", "Decisions that were not written to Redis."),
}
_BREAKER_STATES = ("closed", "half_open", "open")


_CALLER_COUNTERS = {
    CallerEvent.RELOADED: ("sidegate_caller_reloads", "Times that the caller file was loaded again."),
    CallerEvent.RELOAD_REJECTED: (
        "sidegate_caller_reload_failures",
        "Times that the caller file had faults and the current callers stayed.",
    ),
    CallerEvent.KEYS_UNREADABLE: ("sidegate_issuer_key_failures", "Times that an issuer's keys could not be read."),
}


class CallerMetrics:
    """Counters of callers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refusals = Counter(
            "sidegate_refused_calls",
            "Calls that were refused for their caller.",
            ("reason", "caller"),
            registry=registry,
        )
        self._events = {
            event: Counter(name, text, registry=registry) for event, (name, text) in _CALLER_COUNTERS.items()
        }

    def refused(self, call: RefusedCall) -> None:
        """Count one call that was refused for its caller."""
        self._refusals.labels(call.reason, call.caller).inc()

    def count(self, event: CallerEvent) -> None:
        """Count one event."""
        self._events[event].inc()


class CacheMetrics:
    """A `CacheObserver` that keeps metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counters = {
            event: Counter(name, text, registry=registry) for event, (name, text) in _CACHE_COUNTERS.items()
        }
        self._breaker = Gauge(
            "sidegate_cache_breaker",
            "1 at the state of the circuit breaker before Redis.",
            ("state",),
            registry=registry,
        )

    def count(self, event: CacheEvent) -> None:
        """Count one event."""
        self._counters[event].inc()

    def breaker(self, state: str) -> None:
        """Note whether the shared cache is asked."""
        for each in _BREAKER_STATES:
            self._breaker.labels(each).set(each == state)


class SyncMetrics:
    """A `SyncObserver` that keeps metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._counters = {
            event: Counter(name, text, registry=registry) for event, (name, text) in _SYNC_COUNTERS.items()
        }
        self._lag = Histogram(
            "sidegate_sync_lag_seconds",
            "From a write's time until it takes effect here.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )

    def count(self, event: SyncEvent) -> None:
        """Count one event."""
        self._counters[event].inc()

    def lagged(self, seconds: float) -> None:
        """Record how long after its write a revision took effect here."""
        self._lag.observe(seconds)

    def show(
        self, staleness: Callable[[], float], held: Callable[[], tuple[int, int]], hinted: Callable[[], bool]
    ) -> None:
        """Show the values of these from now on at each scrape."""
        shown: dict[str, tuple[str, Callable[[], float]]] = {
            "sidegate_staleness_seconds": ("Age of the newest complete view of the store.", staleness),
            "sidegate_tenants_held": ("Tenants in memory.", lambda: held()[0]),
            "sidegate_resources_held": ("Resources in memory.", lambda: held()[1]),
            "sidegate_hints_connected": ("Whether hints would be heard now.", hinted),
        }
        self._show(shown)

    def show_clocks(self, jump: Callable[[], timedelta], history_ahead: Callable[[], timedelta]) -> None:
        """Show at each scrape how far the machine's clock jumped, and how far the history is ahead of it."""
        self._show(
            {
                "sidegate_clock_jump_seconds": (
                    "How far the machine's clock is ahead of where it would be without jumps.",
                    lambda: jump().total_seconds(),
                ),
                "sidegate_history_ahead_seconds": (
                    "How far the newest change is ahead of the machine's clock.",
                    lambda: max(0.0, history_ahead().total_seconds()),
                ),
            }
        )

    def _show(self, shown: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        for name, (text, value) in shown.items():
            Gauge(name, text, registry=self._registry).set_function(value)


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "sidegate_build_info", "Always 1; the labels name the build.", ("version", "python"), registry=self.registry
        )
        build.labels(__version__, python_version()).set(1)
        self._calls = Counter("sidegate_grpc_calls", "Finished gRPC calls.", ("method", "code"), registry=self.registry)
        self._seconds = Histogram(
            "sidegate_grpc_call_seconds", "How long calls took.", ("method",), buckets=_BUCKETS, registry=self.registry
        )
        self._decisions = Counter(
            "sidegate_decisions", "Decisions by outcome and reason.", ("outcome", "reason"), registry=self.registry
        )
        self._decision_seconds = Histogram(
            "sidegate_decision_seconds", "How long decisions took.", buckets=_BUCKETS, registry=self.registry
        )
        self.callers = CallerMetrics(self.registry)
        self.sync = SyncMetrics(self.registry)
        self.cache = CacheMetrics(self.registry)
        self.admission = AdmissionMetrics(self.registry)

    def observe_call(self, call: FinishedCall) -> None:
        """Count one finished call."""
        self._calls.labels(call.method, call.code).inc()
        self._seconds.labels(call.method).observe(call.seconds)

    def observe_decision(self, decision: DecisionRecord) -> None:
        """Count one decision."""
        self._decisions.labels(decision.outcome, decision.reason).inc()
        self._decision_seconds.observe(decision.seconds)

    def show_watchers(self, count: Callable[[], int]) -> None:
        """Show from now on how many watch, whenever somebody asks."""
        watchers = Gauge("sidegate_watchers", "Streams of WatchChanges under way.", registry=self.registry)
        watchers.set_function(count)

    def serve(
        self, host: str, port: int, *, unready_reason: Callable[[], str], refusal: MetricsRefusal = allow_all
    ) -> MetricsServer:
        """Answer `/metrics`, `/healthz` and `/readyz` over HTTP; port 0 lets the system choose one.

        `refusal` decides about each request of `/metrics`.

        Raises:
            StartError: the address can't be listened on.
        """
        return serve_metrics(host, port, registry=self.registry, unready_reason=unready_reason, refusal=refusal)
