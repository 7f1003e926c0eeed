"""`sidegate serve`: the server, with a flag for each setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import Completer, complete_directory, complete_file, complete_pack, completer_of
from sidegate.config.load import load_settings
from sidegate.config.names import flag, variable
from sidegate.config.settings import Settings

EXAMPLES = (
    ("Try it, with a demo tenant", "sidegate serve --demo"),
    ("Beside an application, on a Unix socket", "sidegate serve --listen unix:/run/sidegate/sidegate.sock"),
    (
        "With packs and facts of your own",
        "sidegate serve --policies policies/ --database sqlite:////var/lib/sidegate.db",
    ),
    ("With others, on one PostgreSQL", "sidegate serve --database postgresql://sidegate@db.example/facts"),
    ("With a settings file; the environment and flags win over it", "sidegate serve --config sidegate.yaml"),
)
SECRET = frozenset({"token_key"})
"""Settings without a flag: the list of processes shows flags to everyone."""
METAVARS = {
    "callers": "FILE",
    "config": "FILE",
    "database": "URL",
    "database_file": "FILE",
    "database_password_file": "FILE",
    "default_pack": "PACK",
    "listen": "ADDRESS",
    "metrics_address": "ADDRESS",
    "policies": "DIRECTORY",
    "redis": "URL",
    "redis_ca": "FILE",
    "redis_file": "FILE",
    "redis_password_file": "FILE",
    "token_key_file": "FILE",
    "redis_certificate": "FILE",
    "redis_key": "FILE",
    "snapshot_directory": "DIRECTORY",
    "socket_mode": "MODE",
    "tls_certificate": "FILE",
    "tls_client_ca": "FILE",
    "tls_key": "FILE",
}


def _flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add a flag for each setting; values are checked later, together with those of the other sources."""
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
        flag(name),
        name,
        default=None,
        metavar=_metavar(name, field),
        multiple=name == "listen",
        shell_complete=_completer(name, field),
        help=text,
    )


def _metavar(name: str, field: FieldInfo) -> str:
    if choices := _choices(field):
        return f"[{'|'.join(choices)}]"
    if field.annotation in (float, float | None):
        return "SECONDS"
    return METAVARS.get(name, "NUMBER" if field.annotation is int else "TEXT")


def _completer(name: str, field: FieldInfo) -> Completer | None:
    completers = {"FILE": complete_file, "DIRECTORY": complete_directory, "PACK": complete_pack}
    if choices := _choices(field):
        return completer_of(choices)
    return completers.get(METAVARS.get(name, ""))


def _choices(field: FieldInfo) -> tuple[str, ...]:
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


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

    It stops gracefully on SIGINT (Ctrl-C) and SIGTERM, and reloads the packs and the caller file on SIGHUP. Each
    setting is taken from its flag, else from its environment variable, else from the settings file, else from its
    default. All faults of the settings are reported together, before the server listens. The secret that signs
    tokens has no flag: it comes from SIDEGATE_TOKEN_KEY, from token_key in the file, or from a file of its own, which
    --token-key-file names. An address of a database or of Redis with a password in it belongs there, too.
    """
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    if "listen" in given:
        given["listen"] = ",".join(given["listen"])
    settings = load_settings(given)
    from sidegate.cli.start import start  # noqa: PLC0415 - help and wrong settings need not wait for its imports

    start(settings)
