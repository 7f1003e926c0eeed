"""`sidegate member sheet`: an empty spreadsheet for invitations."""

from __future__ import annotations

from pathlib import Path

import click

from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.inputs import unreadable
from sidegate.membership.invitation_files import COLUMNS
from sidegate.spreadsheets.write import empty_sheet


@click.command(cls=Command, examples=(("A sheet to fill in", "sidegate member sheet people.xlsx"),))
@click.argument("file", shell_complete=complete_file)
def sheet(*, file: str) -> None:
    """Write an empty spreadsheet of people to invite to FILE.

    Its columns are formatted as text, so that no number loses its plus sign or its zeros. A file that exists
    is not overwritten.
    """
    try:
        with Path(file).open("xb") as written:
            written.write(empty_sheet("People", COLUMNS))
    except OSError as error:
        raise unreadable(file, error) from error
    click.echo(f"wrote {file}, with the columns {', '.join(COLUMNS)}")
