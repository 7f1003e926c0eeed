"""`sidegate tenant`: companies, made, shown and set."""

from __future__ import annotations

import click

from sidegate.cli.shell.commands import LazyGroup

COMMANDS = {
    "create": "sidegate.cli.tenant.change:create",
    "list": "sidegate.cli.tenant.lifecycle:list_",
    "show": "sidegate.cli.tenant.change:show",
    "set": "sidegate.cli.tenant.change:set_",
    "suspend": "sidegate.cli.tenant.lifecycle:suspend",
    "resume": "sidegate.cli.tenant.lifecycle:resume",
    "delete": "sidegate.cli.tenant.lifecycle:delete",
}
EXAMPLES = (
    ("Make a company and its first member", "sidegate tenant create --tenant acme ann --email ann@acme.example"),
    ("Limit its seats", "sidegate tenant set --tenant acme seats=25"),
)


@click.group(cls=LazyGroup, loads=COMMANDS, examples=EXAMPLES)
def tenant() -> None:
    """Make tenants, and see them through to their end."""
