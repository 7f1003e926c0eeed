"""`sidegate version`: the versions to name in a bug report."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from sidegate import __version__
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import print_json

EXAMPLES = (("Show the versions", "sidegate version"), ("For a script", "sidegate version --json"))
_LIBRARIES = ("grpcio", "pycasbin", "SQLAlchemy")


@click.command(cls=Command, examples=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def version(*, as_json: bool) -> None:
    """Show the versions of Sidegate and of its main libraries."""
    versions = {"sidegate": __version__, "python": platform.python_version()}
    versions |= {name.lower(): metadata.version(name) for name in _LIBRARIES}
    if as_json:
        print_json(versions)
        return
    for name, number in versions.items():
        click.echo(f"{name} {number}")
