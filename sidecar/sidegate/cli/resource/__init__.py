"""`sidegate resource`: templates, documents and other resources."""

from __future__ import annotations

from sidegate.cli.shell.commands import lazy_group

COMMANDS = {
    "register": "sidegate.cli.resource.change:register",
    "list": "sidegate.cli.resource.list:list_",
    "show": "sidegate.cli.resource.change:show",
    "count": "sidegate.cli.resource.list:count",
    "relations": "sidegate.cli.resource.list:relations",
    "clone": "sidegate.cli.resource.change:clone",
    "update": "sidegate.cli.resource.change:update",
    "delete": "sidegate.cli.resource.change:delete",
    "hand-over": "sidegate.cli.resource.change:hand_over",
}
EXAMPLES = (
    ("Register a template", "sidegate resource register --tenant acme template:nda --actor member:tina"),
    ("Hand over all that somebody holds", "sidegate resource hand-over --tenant acme uma ugo"),
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def resource() -> None:
    """Register, update, hand over and delete resources."""
