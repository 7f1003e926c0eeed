"""`sidegate history`: what changed, who did it, and when."""

from __future__ import annotations

import click

from sidegate.cli.shell.commands import LazyGroup

COMMANDS = {
    "list": "sidegate.cli.history.list:list_",
    "watch": "sidegate.cli.history.watch:watch",
}
EXAMPLES = (
    ("What happened to a document", "sidegate history list --tenant acme --resource document:contract"),
    ("What happens from now on", "sidegate history watch --tenant acme"),
    ("What somebody did", "sidegate history list --tenant acme --by member:uma"),
)


@click.group(cls=LazyGroup, loads=COMMANDS, examples=EXAMPLES)
def history() -> None:
    """Ask what changed, who did it, and when."""
