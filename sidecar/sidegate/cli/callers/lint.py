"""`sidegate callers lint`: errors that keep a caller file from loading."""

from __future__ import annotations

from pathlib import Path

import click

from sidegate.bootstrap.callers import load_caller_file
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_file
from sidegate.model.callers.caller import Caller, Right

EXAMPLES = (("Before the file is used", "sidegate callers lint callers.yaml"),)


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path), shell_complete=complete_file)
def lint(file: Path) -> None:
    """Report what is wrong with a caller file, with file and line.

    A file without errors is shown: the rights of each caller, with their tenants. Keys behind a URL are not read.
    """
    loaded = load_caller_file(file)
    for caller, identities in loaded.callers:
        kinds = sorted({identity.kind for identity in identities})
        click.echo(f"{caller.name} ({', '.join(kinds)})")
        for right in Right:
            if caller.has(right):
                click.echo(f"  {right:<17} {_tenants(caller, right)}")
        if caller.actors:
            click.echo(f"  acts for          {', '.join(sorted(caller.actors))}")
    count = len(loaded.callers)
    click.echo(f"{file}: {count} {'caller' if count == 1 else 'callers'}, no errors")


def _tenants(caller: Caller, right: Right) -> str:
    return "all tenants" if caller.has_for_all(right) else ", ".join(sorted(caller.rights[right].names))
