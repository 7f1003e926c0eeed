"""The health of the server and its services, as probes and clients ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio

from sidegate.telemetry.logging import get_log

LIVENESS = "liveness"
READINESS = "readiness"
SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_log = get_log("server")


class Health:
    """Keeps the health service's answers: `liveness` is always SERVING, all else follows readiness.

    Readiness is asked at the start and every `interval` seconds, until the server drains.
    """

    def __init__(self, ready: Callable[[], bool], services: Iterable[str], *, interval: float = 0.5) -> None:
        self._ready = ready
        self._names = ("", READINESS, *services)
        self._interval = interval
        self._servicer = aio.HealthServicer()
        self._shown: bool | None = None
        self._watch: asyncio.Task[None] | None = None

    def add_to(self, server: Any) -> None:
        """Register the health service at a grpc.aio server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Show the first answers, then follow readiness."""
        await self._servicer.set(LIVENESS, _SERVING)
        await self._show(self._asked())
        self._watch = asyncio.create_task(self._follow(), name="sidegate-health")

    async def drain(self) -> None:
        """Show NOT_SERVING from now on, but stay alive: a draining server must not be killed for it."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
            self._watch = None
        await self._show(False)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            now = self._asked()
            if now is not self._shown:
                _log.info("ready" if now else "not ready")
            await self._show(now)

    def _asked(self) -> bool:
        try:
            return self._ready()
        except Exception:  # noqa: BLE001 - a check that fails means not ready; it is logged
            _log.error("readiness check failed", exc_info=True)
            return False

    async def _show(self, serving: bool) -> None:  # noqa: FBT001 - the state itself, not a switch
        if serving is self._shown:
            return
        self._shown = serving
        for name in self._names:
            await self._servicer.set(name, _SERVING if serving else _NOT_SERVING)
