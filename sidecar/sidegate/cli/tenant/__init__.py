"""`sidegate tenant`: the tenants of a server."""

from __future__ import annotations

from sidegate.cli.shell.commands import lazy_group

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
    ("Create a company with its first member", "sidegate tenant create --tenant acme ann --email ann@acme.example"),
    ("Limit its seats", "sidegate tenant set --tenant acme seats=25"),
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def tenant() -> None:
    """Create, configure, suspend, resume and delete tenants."""
