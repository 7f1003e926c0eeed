"""A real `sidegate serve` process, for tests that ask, kill and restart it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SIDEGATE = Path(sys.executable).parent / "sidegate"
_LISTENS = re.compile(r"listens on (\S+)")


@dataclass(frozen=True, slots=True)
class Served:
    """A server process and where it listens."""

    process: subprocess.Popen[str]
    address: str

    def kill(self) -> None:
        """End it at once, as a lost machine would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a client command against it."""
        return subprocess.run(
            [SIDEGATE, *map(str, arguments)],
            env=environment(SIDEGATE_ADDRESS=self.address),
            capture_output=True,
            text=True,
            check=False,
        )


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without settings of Sidegate, plain and wide."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIDEGATE_")}
    return {**inherited, "NO_COLOR": "1", "COLUMNS": "200", **more}


@contextmanager
def served(database: Path, *flags: object) -> Iterator[Served]:
    """Start a server on a free port and wait until it listens; stop it gracefully at the end."""
    command = [SIDEGATE, "serve", "--database", f"sqlite:///{database}", "--listen", "127.0.0.1:0", *map(str, flags)]
    log = database.with_suffix(".log")
    with (
        log.open("a") as errors,
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        announced = _LISTENS.search(process.stdout.readline() if process.stdout else "")
        assert announced is not None, log.read_text()
        try:
            yield Served(process, announced[1])
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait()
