"""`sidegate callers key`: makes a key for a caller."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from sidegate.callers.keys import digest_of, new_key
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.failures import BAD_INPUT, Failure

EXAMPLES = (
    ("Make a key in a file that only you can read", "sidegate callers key 2026-a --out orders.key"),
    ("Make one and see it", "sidegate callers key 2026-a"),
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("name")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    shell_complete=complete_file,
    help="Write the key to a new file that only you can read, instead of printing it.",
)
def key(name: str, *, out: Path | None) -> None:
    """Make a key, and print the line for the caller file.

    NAME says which of a caller's keys it is, such as 2026-a. The caller file holds the key's SHA-256 only: keep the key
    itself where the caller reads it.
    """
    if not _NAME.fullmatch(name):
        message = f"`{name}` is not right: expected a name of 1 to 64 letters, digits and `.`, `_` or `-`"
        raise Failure(message, exit_code=BAD_INPUT)
    made = new_key()
    if out is None:
        click.echo(f"key: {made}", err=True)
    else:
        _write(out, made)
    click.echo(f'- key: {{name: "{name}", sha256: "{digest_of(made).hex()}"}}')


def _write(path: Path, key: str) -> None:
    """Write a key to a new file.

    Raises:
        Failure: there is such a file, or it can't be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{key}\n")
    except FileExistsError as error:
        raise Failure(f"`{path}` is there already: expected a new file", exit_code=BAD_INPUT) from error
    except OSError as error:
        raise Failure(f"can't write `{path}`: {(error.strerror or '').lower()}", exit_code=BAD_INPUT) from error
