"""Prometheus metrics; nothing else knows the library."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Thread
from typing import Protocol
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from sidegate.errors import StartError
from sidegate.telemetry.calls import FinishedCall

# From a decision out of memory to one that had to wait for the store and gave up.
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


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


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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

    def observe_call(self, call: FinishedCall) -> None:
        """Count one finished call."""
        self._calls.labels(call.method, call.code).inc()
        self._seconds.labels(call.method).observe(call.seconds)

    def observe_decision(self, decision: DecisionRecord) -> None:
        """Count one decision."""
        self._decisions.labels(decision.outcome, decision.reason).inc()
        self._decision_seconds.observe(decision.seconds)

    def serve(self, host: str, port: int) -> MetricsServer:
        """Answer `GET /metrics` over HTTP from a thread; port 0 lets the system choose one.

        Raises:
            StartError: the address can't be listened on.
        """
        try:
            server, thread = start_http_server(port, host, self.registry)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StartError(f"can't serve metrics on `{host}:{port}`: {reason.lower()}") from error
        return MetricsServer(server, thread)


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """A running `/metrics` endpoint."""

    _server: WSGIServer
    _thread: Thread

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    def stop(self) -> None:
        """Stop listening and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
