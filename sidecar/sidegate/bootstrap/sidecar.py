"""Runs a sidecar: the decision point, the handlers of its services, its listeners, and its signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sidegate.bootstrap.admission import admission_of
from sidegate.bootstrap.background_tasks import background
from sidegate.bootstrap.core import Core, deciding
from sidegate.bootstrap.listening import listener_settings
from sidegate.bootstrap.metrics_access import metrics_refusal
from sidegate.bootstrap.open_files import allow_open_files
from sidegate.bootstrap.services import service_handlers
from sidegate.bootstrap.storage.file_modes import warn_of_open_files
from sidegate.config.network.exposure import exposed, lame_duck_seconds
from sidegate.config.settings import Settings
from sidegate.runtime.clock import utc_now
from sidegate.runtime.garbage_collection import exclude_existing_objects
from sidegate.runtime.heap import heap_release
from sidegate.server.access.gate import Gate, TrustAll
from sidegate.server.access.refusals import RefusalLog
from sidegate.server.grpc.listener import GrpcServer
from sidegate.telemetry.logging import LogFormat, configure_logging, get_log
from sidegate.telemetry.metrics import Metrics
from sidegate.telemetry.metrics_server import MetricsRefusal, allow_all

if TYPE_CHECKING:
    from sidegate.bootstrap.callers import FileCallers

_THREAD_SECONDS: Final = 0.0005
"""How long a thread that computes holds the interpreter before the event loop gets it back; Python's default is 0.005.

Documents are parsed, and tenants compiled, in threads. A Check that waits for the interpreter a few times would take
tens of milliseconds meanwhile.
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A sidecar that listens: where, on which packs, and whether the demo tenant is there to try.

    `reload` asks it to load the packs and the caller file again. `callers` is that file, `open_address` where clients
    can call without credentials; "" where there is none.
    """

    addresses: tuple[str, ...]
    packs: tuple[str, ...]
    default_pack: str
    engine: str
    database: str
    demo: bool
    reload: Callable[[], None]
    metrics_address: str = ""
    callers: str = ""
    open_address: str = ""


async def run(settings: Settings, *, announce: Callable[[Running], None]) -> None:
    """Serve until SIGINT or SIGTERM, then end the process; reload the packs and the caller file on SIGHUP.

    `announce` is called once everything listens. SIGINT, and a second signal, end the lame-duck time. The process ends
    without a shutdown of the gRPC library, which would cancel calls that have just arrived: see
    docs/decisions/0021-a-stop-ends-the-process.md.

    Raises:
        PackError: a pack does not load; nothing listens.
        CallersError: the caller file is wrong; nothing listens.
        StartError: a path, port or file can't be had; nothing listens.
    """
    configure_logging(_log_format(settings), settings.log_level)
    sys.setswitchinterval(_THREAD_SECONDS)
    loop = asyncio.get_running_loop()
    stopped, hurried = asyncio.Event(), asyncio.Event()

    def stop(number: int) -> None:
        if stopped.is_set() or number == signal.SIGINT:
            hurried.set()
        stopped.set()

    async def end(server: GrpcServer) -> None:
        await server.drain(hurried)
        if stopped.is_set():
            loop.call_later(settings.closing, _end_process)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    async with _serving(settings, end) as running:
        loop.add_signal_handler(signal.SIGHUP, running.reload)
        exclude_existing_objects()
        announce(running)
        await stopped.wait()
        lame_duck = 0.0 if hurried.is_set() else lame_duck_seconds(settings)
        get_log("bootstrap").info("stopping", lame_duck=lame_duck, drain=settings.drain)
    _end_process()


def _end_process() -> None:
    """Exit now: no thread, such as one that waits for a database, is waited for."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Running]:
    """Run a sidecar that listens on all its addresses, and stop it gracefully, in a process that lives on."""
    async with _serving(settings, GrpcServer.stop) as running:
        yield running


@asynccontextmanager
async def _serving(settings: Settings, end: Callable[[GrpcServer], Awaitable[None]]) -> AsyncIterator[Running]:
    metrics = Metrics()
    callers = _callers(settings, metrics)
    gate = Gate(callers or TrustAll(), log=RefusalLog(metrics.callers.refused))
    async with (
        background(*(each.run for each in (callers, heap_release()) if each is not None)),
        deciding(settings, observe=metrics.observe_decision, observer=metrics.sync, caching=metrics.cache) as core,
    ):
        hints = core.hints
        metrics.sync.show(core.follower.staleness, core.snapshots.sizes, lambda: hints is not None and hints.connected)
        metrics.sync.show_clocks(core.clock.jump, lambda: core.follower.ahead_of(utc_now()))
        warn_of_open_files(settings)
        allow_open_files(settings)
        handlers = await service_handlers(core, settings, metrics)
        admission = admission_of(settings, metrics.admission)
        listening = listener_settings(settings)
        server = GrpcServer(
            handlers, core.ready, listening, gate=gate, admission=admission, on_call=metrics.observe_call
        )
        addresses = await server.start()
        try:
            refusal = metrics_refusal(gate) if callers and _is_wide(settings.metrics_address) else allow_all
            with _metrics_served(
                metrics, settings.metrics_address, core.unready_reason, refusal=refusal
            ) as metrics_address:
                yield Running(
                    addresses=addresses,
                    packs=tuple(core.packs.names()),
                    default_pack=settings.default_pack,
                    engine=settings.engine,
                    database=str(settings.database),
                    demo=settings.demo,
                    reload=partial(_reload, core, callers),
                    metrics_address=metrics_address,
                    callers=str(settings.callers or ""),
                    open_address=_open_address(settings, addresses),
                )
        finally:
            await end(server)


def _callers(settings: Settings, metrics: Metrics) -> FileCallers | None:
    """Return the callers of the caller file, None where the settings name none.

    Raises:
        CallersError: the file is wrong.
    """
    if settings.callers is None:
        return None
    from sidegate.bootstrap.callers import FileCallers  # noqa: PLC0415 - without callers no token is verified

    return FileCallers(settings.callers, metrics.callers.count)


def _reload(core: Core, callers: FileCallers | None) -> None:
    """Request a reload of the packs, and of the caller file."""
    core.reloading.ask()
    if callers is not None:
        callers.ask()


def _is_wide(address: str | None) -> bool:
    return address is not None and bool(exposed([address]))


def _open_address(settings: Settings, addresses: tuple[str, ...]) -> str:
    """Return the first address that a client without credentials can call, "" where there is none."""
    if settings.callers is not None:
        return ""
    clear = (address for address in addresses if settings.tls_certificate is None or address.startswith("unix:"))
    return next(clear, "")


@contextmanager
def _metrics_served(
    metrics: Metrics, address: str | None, unready_reason: Callable[[], str], *, refusal: MetricsRefusal
) -> Iterator[str]:
    """Serve metrics over HTTP meanwhile, and yield where; nowhere is "".

    Raises:
        StartError: the address can't be listened on.
    """
    if address is None:
        yield ""
        return
    host, _, port = address.rpartition(":")
    server = metrics.serve(host.strip("[]"), int(port), unready_reason=unready_reason, refusal=refusal)
    try:
        yield f"{host}:{server.port}"
    finally:
        server.stop()


def _log_format(settings: Settings) -> LogFormat:
    if settings.log_format == "auto":
        return LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    return LogFormat.JSON if settings.log_format == "json" else LogFormat.CONSOLE
