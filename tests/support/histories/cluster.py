"""Three sidecars on one PostgreSQL and one Redis, each behind links of its own: real processes that can be harmed."""

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

from support.servers.cli import Sidecar, sidecar
from support.servers.faulty_link import FaultyLink, faulty_link
from support.servers.postgres import PostgresServer, postgres_server
from support.servers.valkey import ValkeyServer, valkey_server

BOUND = 1.0
"""The servers' bound in seconds: small, so that it is reached often."""
DATABASE = "histories"
_COMMON = ("--max-staleness", BOUND, "--poll-interval", 0.1, "--drain", 0)
# One as it comes, one that no hint ever reaches, and one whose memory holds less than there is.
_FLAGS = {"one": (), "two": ("--hints", "off"), "three": ("--max-tenants", 2, "--max-resources", 4)}
NAMES = tuple(_FLAGS)
_SOCKET = ".s.PGSQL.5432"
_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 200),
]


@dataclass
class Node:
    """One sidecar: its address, its links to the servers, and its process, if there is one."""

    name: str
    directory: Path
    flags: tuple[object, ...]
    database: FaultyLink
    redis: FaultyLink
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
        started = sidecar(self.directory, *self.flags, listen=self.address)
        self._sidecar = await asyncio.to_thread(self._running.enter_context, started)
        self.starts += 1

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal: SIGTERM as an orchestrator would, SIGKILL as a lost machine."""
        assert self._sidecar is not None
        self.signal(signal.SIGCONT)
        await asyncio.to_thread(self._sidecar.stop, number)
        await asyncio.to_thread(self.end)

    def end(self) -> None:
        """End it, if it runs."""
        self._running.close()

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
    valkey: ValkeyServer

    async def ready(self) -> bool:
        """Return whether all sidecars say that they serve."""
        return all(await asyncio.gather(*(node.ready() for node in self.nodes)))


@asynccontextmanager
async def cluster(
    flags: Callable[[str], Sequence[object]] = lambda _name: (),
) -> AsyncIterator[Cluster]:
    """Start the servers and then the sidecars, with more flags for each, and end them all."""
    async with AsyncExitStack() as stack:
        # Not under pytest's directory: its path may be too long for a socket.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sidegate-cluster-")))
        servers = (
            await asyncio.to_thread(stack.enter_context, postgres_server(durable=True)),
            await asyncio.to_thread(stack.enter_context, valkey_server()),
        )
        await servers[0].execute(f"CREATE DATABASE {DATABASE}")
        for name in NAMES:
            (directory / name).mkdir()
        nodes = [
            await stack.enter_async_context(_node(name, directory / name, servers, (*_FLAGS[name], *flags(name))))
            for name in NAMES
        ]
        first, *others = nodes
        await first.start()  # which makes the tables
        await asyncio.gather(*(node.start() for node in others))
        yield Cluster(nodes, *servers)


@asynccontextmanager
async def _node(
    name: str, directory: Path, servers: tuple[PostgresServer, ValkeyServer], flags: Sequence[object]
) -> AsyncIterator[Node]:
    postgres, valkey = servers
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(faulty_link(postgres.directory / _SOCKET, directory / _SOCKET))
        redis = await stack.enter_async_context(faulty_link(("127.0.0.1", valkey.port)))
        channel = await stack.enter_async_context(
            grpc.aio.insecure_channel(f"unix:{directory}/sidecar.sock", options=_RECONNECT)
        )
        address = f"postgresql://postgres@/{DATABASE}?host={directory}"
        shared = "redis://{}:{}".format(*redis.address)
        given = ("--database", address, "--redis", shared, "--snapshot-directory", directory / "snapshots")
        node = Node(name, directory, (*given, *_COMMON, *flags), database, redis, channel)
        try:
            yield node
        finally:
            node.signal(signal.SIGCONT)
            await asyncio.to_thread(node.end)
