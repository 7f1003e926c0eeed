"""What one client may take of the transport."""

from __future__ import annotations

from pydantic import BaseModel

from sidegate.config.field import setting


class TransportSettings(BaseModel):
    """What one client may take of the transport."""

    max_connections: int = setting(
        1_000,
        "The most open connections of each address; one more is closed immediately.",
        expected="a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    max_streams: int = setting(
        1_000,
        "The most calls at the same time on one connection; clients wait with more.",
        expected="a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    handshake_timeout: float = setting(
        10.0,
        "Seconds that a new connection may take for TLS and for the first frames of HTTP/2 before it is closed.",
        expected="seconds, 0.1 to 120",
        ge=0.1,
        le=120,
    )
    connection_idle: float = setting(
        900.0,
        "Seconds without a call after which a connection is closed. 0: never.",
        expected="seconds, 0 to 86400",
        ge=0,
        le=86_400,
    )
    connection_age: float = setting(
        3_600.0,
        "Seconds after which a connection, a tenth earlier or later, takes no new call: its client opens another one, "
        "with the current certificates. 0: never.",
        expected="seconds, 0 to 86400",
        ge=0,
        le=86_400,
    )
    connection_age_grace: float = setting(
        300.0,
        "Seconds that calls under way, streams too, may then take before the connection is closed.",
        expected="seconds, 0 to 86400",
        ge=0,
        le=86_400,
    )
    keepalive: float = setting(
        60.0,
        "Seconds of silence after which a client is asked for a sign of life.",
        expected="seconds, 1 to 7200",
        ge=1,
        le=7200,
    )
    keepalive_timeout: float = setting(
        20.0,
        "Seconds that it has to answer before its connection is closed.",
        expected="seconds, 1 to 600",
        ge=1,
        le=600,
    )
    message_timeout: float = setting(
        30.0,
        "Seconds that the message of a call may take to arrive before the call is cancelled. 0: as long as it takes.",
        expected="seconds, 0 to 3600",
        ge=0,
        le=3600,
    )
