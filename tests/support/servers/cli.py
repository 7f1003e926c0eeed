"""The command line as users run it: processes, a real server, and what they print."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from sidegate.cli.app import cli

PROGRAM = str(Path(sys.executable).parent / "sidegate")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(**extra: str) -> dict[str, str]:
    """Return this process's environment without settings of Sidegate or colours."""
    unwanted = ("SIDEGATE_", "FORCE_COLOR", "NO_COLOR", "COLUMNS")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)} | extra


def sidegate(
    *arguments: object, stdin: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Done:
    """Run a command to its end."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env=environment(**(env or {})),
        cwd=cwd,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def apply_facts(directory: Path, address: str, document: str, *, actor: str) -> None:
    """Write a facts document to a file, and apply it."""
    file = directory / "facts.yaml"
    file.write_text(document)
    done = sidegate("facts", "apply", file, "--actor", actor, "--address", address)
    assert done.code == 0, done.err


def invoke(*arguments: object) -> Done:
    """Run a command to its end in this process, which spares the start of another."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], prog_name="sidegate")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


@dataclass
class Sidecar:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    announced: str

    @property
    def address(self) -> str:
        """The first address that it listens on."""
        return self.announced.partition("listens on ")[2].splitlines()[0].partition(", ")[0]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait()


@contextmanager
def sidecar(
    directory: Path,
    *flags: object,
    listen: str = "127.0.0.1:0",
    env: Mapping[str, str] | None = None,
) -> Iterator[Sidecar]:
    """Start `sidegate serve`, and wait until it has said where it listens; its log goes to `serve.err` in `directory`.

    Its database is there, too, where the environment names no other.
    """
    database = (env or {}).get("SIDEGATE_DATABASE", f"sqlite:///{directory}/facts.db")
    command = [PROGRAM, "serve", "--listen", listen, *map(str, flags)]
    with (directory / "serve.err").open("w+", encoding="utf-8") as errors:
        variables = environment(**{**(env or {}), "SIDEGATE_DATABASE": database})
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8", env=variables)
        try:
            announced = "".join(_until_stop_line(process))
            if "Stop it" not in announced:
                errors.seek(0)
                raise AssertionError(f"the server did not start: {announced}{errors.read()}")
            yield Sidecar(process, announced)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _until_stop_line(process: subprocess.Popen[str]) -> Iterator[str]:
    for line in process.stdout:
        yield line
        if line.startswith("Stop it"):
            return
