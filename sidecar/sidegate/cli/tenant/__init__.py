"""`sidegate tenant`: companies, made, shown and set."""

from __future__ import annotations

import click

from sidegate.cli.shell.commands import LazyGroup

COMMANDS = {
    "create": ("Make the tenant with its first member, FOUNDER.", "sidegate.cli.tenant.change:create"),
    "list": ("List all tenants.", "sidegate.cli.tenant.lifecycle:list_"),
    "show": ("Show the tenant: its pack, settings, roles and seats.", "sidegate.cli.tenant.change:show"),
    "set": ("Set settings of the tenant, each as NAME=VALUE.", "sidegate.cli.tenant.change:set_"),
    "suspend": ("Let nobody in the tenant be allowed anything.", "sidegate.cli.tenant.lifecycle:suspend"),
    "resume": ("Let the suspended tenant decide as before.", "sidegate.cli.tenant.lifecycle:resume"),
    "delete": ("Delete the tenant with all that is in it.", "sidegate.cli.tenant.lifecycle:delete"),
}
EXAMPLES = (
    ("Make a company and its first member", "sidegate tenant create --tenant acme ann --email ann@acme.example"),
    ("Limit its seats", "sidegate tenant set --tenant acme seats=25"),
)


@click.group(cls=LazyGroup, loads=COMMANDS, examples=EXAMPLES)
def tenant() -> None:
    """Make tenants, and see them through to their end."""
