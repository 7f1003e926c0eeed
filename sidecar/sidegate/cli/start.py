"""Starts the server for `sidegate serve`, and prints how to ask it."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
from pathlib import Path

import click

from sidegate import __version__
from sidegate.bootstrap import DEMO_TENANT, Running, run
from sidegate.cli.shell.client import DEFAULT_ADDRESS
from sidegate.cli.shell.failures import BAD_INPUT, Failure
from sidegate.config.settings import Settings
from sidegate.errors import FaultyFiles, SidegateError

TRIALS = (("uma", "view", "document:contract"), ("uma", "send", "document:contract"))
"""A question that the demo tenant allows, and one that it denies."""


def start(settings: Settings) -> None:
    """Serve until a signal stops it.

    Raises:
        FaultyFiles: a pack does not load.
        Failure: the server can't start.
    """
    try:
        asyncio.run(run(settings, announce=_announce))
    except FaultyFiles:
        raise
    except SidegateError as error:
        raise Failure(f"can't start: {error}", exit_code=BAD_INPUT) from error


def _announce(running: Running) -> None:
    click.echo(f"Sidegate {__version__} listens on {', '.join(running.addresses)}")
    packs = (f"{name} (default)" if name == running.default_pack else name for name in running.packs)
    click.echo(f"  packs    {', '.join(packs)}")
    click.echo(f"  engine   {running.engine}")
    click.echo(f"  facts    {running.database}")
    if running.callers:
        click.echo(f"  callers  {running.callers}")
    if running.metrics_address:
        click.echo(f"  metrics  http://{running.metrics_address}/metrics")
    if running.demo and running.open_address:
        click.echo("\nAsk it, from another terminal:")
        click.echo("  " + trial(running.open_address))
    click.echo("\nStop it with Ctrl-C.")


def trial(address: str) -> str:
    """Return a line to paste into a shell, which shows an allow and a deny."""
    words = [*_program(), "check", "--tenant", DEMO_TENANT]
    if address != DEFAULT_ADDRESS:
        words += ["--address", address]
    return "; ".join(shlex.join([*words, *question]) for question in TRIALS)


def _program() -> list[str]:
    """Return the words that start this program from the current directory."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return [sys.executable, "-m", "sidegate"]
    found = shutil.which(started.name)
    if found and Path(found).resolve() == started.resolve():
        return [started.name]
    return [str(started)]
