"""What one client may take of the transport: connections, streams, silence and slowness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_CLIENT_PING_MILLISECONDS: Final = 10_000
"""How often a client may ping while it has no call; the library's own bound is five minutes."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Limits of connections and streams; times are in seconds, 0 means none.

    `max_connections` counts each address by itself, `max_streams` each connection. `handshake_timeout` is for TLS and
    the first frames of HTTP/2. A connection is closed after `connection_idle` without a call; after `connection_age`
    it takes no new call, and `connection_age_grace` later it is closed. `keepalive` is how long a client may be silent
    before it is asked for a sign of life, `keepalive_timeout` how long it has to answer. `message_timeout` is how long
    the message of a call may take to arrive.
    """

    max_connections: int = 1000
    max_streams: int = 1000
    handshake_timeout: float = 10.0
    connection_idle: float = 900.0
    connection_age: float = 3600.0
    connection_age_grace: float = 300.0
    keepalive: float = 60.0
    keepalive_timeout: float = 20.0
    message_timeout: float = 30.0

    def options(self) -> Iterator[tuple[str, int]]:
        """Yield the limits as options of a gRPC server."""
        yield "grpc.max_allowed_incoming_connections", self.max_connections
        yield "grpc.max_concurrent_streams", self.max_streams
        yield "grpc.server_handshake_timeout_ms", _milliseconds(self.handshake_timeout)
        yield "grpc.http2.settings_timeout", _milliseconds(self.handshake_timeout)
        yield "grpc.keepalive_permit_without_calls", 1
        yield "grpc.keepalive_time_ms", _milliseconds(self.keepalive)
        yield "grpc.keepalive_timeout_ms", _milliseconds(self.keepalive_timeout)
        # The answer to a ping has a timeout of its own, of a minute by default.
        yield "grpc.http2.ping_timeout_ms", _milliseconds(self.keepalive_timeout)
        yield "grpc.http2.min_recv_ping_interval_without_data_ms", _CLIENT_PING_MILLISECONDS
        if self.connection_idle:
            yield "grpc.max_connection_idle_ms", _milliseconds(self.connection_idle)
        if self.connection_age:
            yield "grpc.max_connection_age_ms", _milliseconds(self.connection_age)
            yield "grpc.max_connection_age_grace_ms", _milliseconds(self.connection_age_grace)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
