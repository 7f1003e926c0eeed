"""Lines on the terminal, in which every character is seen."""

from __future__ import annotations

from typing import IO, Any

import click

from sidegate.model.identifiers import visible


def echo(text: str = "", *, err: bool = False, file: IO[Any] | None = None) -> None:
    """Print lines of text, with invisible characters as escapes."""
    click.echo("\n".join(map(visible, text.split("\n"))), err=err, file=file)


def echo_marked(mark: str, text: str, *, colour: str, file: IO[Any] | None = None) -> None:
    """Print `mark: text` to standard error, the mark in colour."""
    click.echo(click.style(mark, fg=colour, bold=True), nl=False, err=True, file=file)
    echo(f": {text}", err=True, file=file)
