"""`sidegate history`: what changed, by whom, and when."""

from __future__ import annotations

from sidegate.cli.shell.commands import lazy_group

COMMANDS = {
    "list": "sidegate.cli.history.list:list_",
    "watch": "sidegate.cli.history.watch:watch",
}
EXAMPLES = (
    ("What happened to a document", "sidegate history list --tenant acme --resource document:contract"),
    ("What happens from now on", "sidegate history watch --tenant acme"),
    ("What one member did", "sidegate history list --tenant acme --by member:uma"),
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def history() -> None:
    """List and follow changes: what changed, by whom, and when."""
