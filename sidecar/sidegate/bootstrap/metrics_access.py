"""Who may read the metrics over HTTP."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from sidegate.errors import CallerRefused, Unauthenticated, Unavailable
from sidegate.model.callers.caller import Right
from sidegate.model.callers.credentials import NO_CREDENTIALS
from sidegate.server.access.gate import Gate
from sidegate.server.access.header import header_credentials
from sidegate.telemetry.metrics_server import MetricsRefusal

_METRICS: Final = "metrics"
_METRICS_SECONDS: Final = 10.0
"""How long a request of metrics waits for the check of its token."""


def metrics_refusal(gate: Gate) -> MetricsRefusal:
    """Return what refuses requests of metrics without a key or token whose caller has the right `metrics`.

    It is called in threads of the metrics' server, and asks the gate on the event loop.
    """
    loop = asyncio.get_running_loop()

    async def admit(authorization: str | None, peer: str) -> None:
        given = NO_CREDENTIALS if authorization is None else header_credentials([authorization], peer=peer)
        caller = await gate.identify(_METRICS, given)
        gate.require_right(caller, Right.METRICS, _METRICS)

    def refusal(authorization: str | None, peer: str) -> HTTPStatus | None:
        asked = asyncio.run_coroutine_threadsafe(admit(authorization, peer), loop)
        try:
            asked.result(_METRICS_SECONDS)
        except Unauthenticated:
            return HTTPStatus.UNAUTHORIZED
        except CallerRefused:
            return HTTPStatus.FORBIDDEN
        except (Unavailable, TimeoutError):
            asked.cancel()
            return HTTPStatus.SERVICE_UNAVAILABLE
        return None

    return refusal
