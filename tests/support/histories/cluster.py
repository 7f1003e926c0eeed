"""Three sidecars on one PostgreSQL, each behind links of its own, all of them real processes that can be harmed."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.cli import Sidecar, sidecar
from support.faulty_link import FaultyLink, faulty_link
from support.postgres_server import PostgresServer, postgres_server

NAMES = ("one", "two", "three")
BOUND = 1.0
"""The servers' bound in seconds: small, so that it is reached often."""
_FLAGS = ("--max-staleness", BOUND, "--poll-interval", 0.1, "--drain", 0, "--max-tenants", 2, "--max-resources", 4)
_SOCKET = ".s.PGSQL.5432"
_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 200),
]
_ENDLESS = 3600.0


@dataclass
class Node:
    """One sidecar: where it stands, its link to the database, and its process, if there is one."""

    name: str
    directory: Path
    flags: tuple[object, ...]
    database: FaultyLink
    channel: grpc.aio.Channel
    starts: int = 0
    _running: ExitStack = field(default_factory=ExitStack)
    _sidecar: Sidecar | None = None

    @property
    def process(self) -> str:
        """The name of its present process, another after each start."""
        return f"{self.name}#{self.starts}"

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"unix:{self.directory}/sidecar.sock"

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        # In a thread, since its links to the servers run on this loop.
        started = sidecar(self.directory, *self.flags, listen=self.address, patience=_ENDLESS)
        self._sidecar = await asyncio.to_thread(self._running.enter_context, started)
        self.starts += 1

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal: SIGTERM as an orchestrator would, SIGKILL as a lost machine."""
        assert self._sidecar is not None
        self.signal(signal.SIGCONT)
        await asyncio.to_thread(self._sidecar.stop, number)
        await asyncio.to_thread(self._running.close)

    def signal(self, number: int) -> None:
        """Send a signal to the process: SIGSTOP pauses it, SIGCONT lets it go on."""
        if self._sidecar is not None:
            self._sidecar.process.send_signal(number)

    async def ready(self) -> bool:
        """Return whether it says that it serves."""
        stub = health_pb2_grpc.HealthStub(self.channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service="readiness"), timeout=1)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@dataclass
class Cluster:
    """The sidecars, and the servers behind them."""

    nodes: Sequence[Node]
    postgres: PostgresServer
    database: str

    async def ready(self) -> bool:
        """Return whether all sidecars say that they serve."""
        return all(await asyncio.gather(*(node.ready() for node in self.nodes)))


@asynccontextmanager
async def cluster(
    flags: Callable[[str], Sequence[object]] = lambda _name: (), names: Sequence[str] = NAMES
) -> AsyncIterator[Cluster]:
    """Start the servers and then the sidecars, each with flags of its own; end them all."""
    async with AsyncExitStack() as stack:
        # Not under pytest's directory: its path may be too long for a socket.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sidegate-cluster-")))
        postgres = await asyncio.to_thread(stack.enter_context, postgres_server(durable=True))
        await postgres.execute("CREATE DATABASE histories")
        for name in names:
            (directory / name).mkdir()
        nodes = [
            await stack.enter_async_context(_node(name, directory / name, postgres, flags(name))) for name in names
        ]
        first, *others = nodes
        await first.start()  # which makes the tables
        await asyncio.gather(*(node.start() for node in others))
        yield Cluster(nodes, postgres, "histories")


@asynccontextmanager
async def _node(name: str, directory: Path, postgres: PostgresServer, flags: Sequence[object]) -> AsyncIterator[Node]:
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(faulty_link(postgres.directory / _SOCKET, directory / _SOCKET))
        address = f"postgresql://postgres@/histories?host={directory}"
        socket = f"unix:{directory}/sidecar.sock"
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(socket, options=_RECONNECT))
        node = Node(name, directory, ("--database", address, *_FLAGS, *flags), link, channel)
        try:
            yield node
        finally:
            node.signal(signal.SIGCONT)
            await asyncio.to_thread(node._running.close)
