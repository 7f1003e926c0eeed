"""`sidegate serve`: the server, with a flag for each setting."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from sidegate import __version__, bootstrap
from sidegate.cli.client import DEFAULT_ADDRESS
from sidegate.cli.commands import Command
from sidegate.cli.failures import BAD_INPUT, Failure
from sidegate.config import Settings, flag, load_settings, variable
from sidegate.errors import FaultyFiles, SidegateError

EXAMPLES = (
    ("Try it, with a demo tenant", "sidegate serve --demo"),
    ("Beside an application, on a Unix socket", "sidegate serve --listen unix:/run/sidegate/sidegate.sock"),
    (
        "With packs and facts of your own",
        "sidegate serve --policies policies/ --database sqlite:////var/lib/sidegate.db",
    ),
    ("With a settings file; the environment and flags win over it", "sidegate serve --config sidegate.yaml"),
)
SECRET = frozenset({"token_key"})
"""Settings without a flag: the list of processes shows flags to everyone."""
METAVARS = {
    "config": "FILE",
    "database": "URL",
    "default_pack": "PACK",
    "listen": "ADDRESS",
    "metrics_address": "ADDRESS",
    "policies": "DIRECTORY",
    "socket_mode": "MODE",
}
TRIALS = (("uma", "view", "document:contract"), ("uma", "send", "document:contract"))
"""What the demo tenant allows, and what it denies."""


def _flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add a flag for each setting; values are checked all at once later, with those of the other sources."""
    for name, field in reversed(Settings.model_fields.items()):
        if name not in SECRET:
            command = _flag(name, field)(command)
    return command


def _flag(name: str, field: FieldInfo) -> Callable[[Callable[..., None]], Callable[..., None]]:
    default = shown_default(field)
    notes = f"  [{variable(name)}" + (f"; default: {default}]" if default else "]")
    text = f"{field.description}{notes}"
    if field.annotation is bool:
        return click.option(f"{flag(name)}/--no-{name}", name, default=None, help=text)
    return click.option(
        flag(name), name, default=None, metavar=_metavar(name, field), multiple=name == "listen", help=text
    )


def _metavar(name: str, field: FieldInfo) -> str:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    if choices:
        return f"[{'|'.join(choices)}]"
    if field.annotation is float:
        return "SECONDS"
    return METAVARS.get(name, "NUMBER" if field.annotation is int else "TEXT")


def shown_default(field: FieldInfo) -> str:
    """Return a setting's default as one would type it; empty where there is none."""
    if field.default is None:
        return ""
    if isinstance(field.default, tuple):
        return ",".join(field.default)
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


@click.command(cls=Command, examples=EXAMPLES)
@_flags
def serve(**flags: Any) -> None:
    """Start the server.

    It ends gracefully on SIGINT (Ctrl-C) and SIGTERM. Each setting is taken from its flag, else from its environment
    variable, else from the settings file, else from its default. Faults of the settings are told all at once, and
    before the server listens. The secret that signs revision tokens has no flag: it comes from SIDEGATE_TOKEN_KEY or
    from token_key in the file.
    """
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    if "listen" in given:
        given["listen"] = ",".join(given["listen"])
    settings = load_settings(given)
    try:
        asyncio.run(bootstrap.run(settings, announce=_announce))
    except FaultyFiles:
        raise
    except SidegateError as error:
        raise Failure(f"can't start: {error}", exit_code=BAD_INPUT) from error


def _announce(running: bootstrap.Running) -> None:
    click.echo(f"Sidegate {__version__} listens on {', '.join(running.addresses)}")
    packs = (f"{name} (default)" if name == running.default_pack else name for name in running.packs)
    click.echo(f"  packs    {', '.join(packs)}")
    click.echo(f"  engine   {running.engine}")
    click.echo(f"  facts    {running.database}")
    if running.metrics_address:
        click.echo(f"  metrics  http://{running.metrics_address}/metrics")
    if running.demo:
        click.echo("\nAsk it, from another terminal:")
        click.echo("  " + trial(running.addresses[0]))
    click.echo("\nStop it with Ctrl-C.")


def trial(address: str) -> str:
    """Return the line to paste that shows an allow and a deny."""
    start = [*_program(), "check", "--tenant", bootstrap.DEMO_TENANT]
    if address != DEFAULT_ADDRESS:
        start += ["--address", address]
    return "; ".join(shlex.join([*start, *question]) for question in TRIALS)


def _program() -> list[str]:
    """Return what starts this program from the current directory."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return [sys.executable, "-m", "sidegate"]
    found = shutil.which(started.name)
    if found and Path(found).resolve() == started.resolve():
        return [started.name]
    return [str(started)]
