"""`sidegate callers schema`: the JSON Schema of caller files."""

from __future__ import annotations

import click

from sidegate.callers.file import SCHEMA
from sidegate.cli.shell.commands import Command
from sidegate.documents.json_schema import schema_text


@click.command(cls=Command, examples=(("Store it beside the file", "sidegate callers schema > callers.schema.json"),))
def schema() -> None:
    """Print the JSON Schema of caller files, for editors."""
    click.echo(schema_text(SCHEMA), nl=False)
