"""`sidegate resource`: templates, documents, and who takes them over."""

from __future__ import annotations

import click

from sidegate.cli.shell.commands import LazyGroup

COMMANDS = {
    "register": ("Make RESOURCE known, with its owner.", "sidegate.cli.resource.change:register"),
    "list": ("List the registered resources of the tenant.", "sidegate.cli.resource.list:list_"),
    "show": ("Show RESOURCE.", "sidegate.cli.resource.change:show"),
    "count": ("Tell how many resources stand in RESOURCE, and not which.", "sidegate.cli.resource.list:count"),
    "relations": ("Tell who holds which role on RESOURCE.", "sidegate.cli.resource.list:relations"),
    "clone": ("Make one like RESOURCE, with the ID CLONE.", "sidegate.cli.resource.change:clone"),
    "update": ("Set properties of RESOURCE, and what it stands in.", "sidegate.cli.resource.change:update"),
    "delete": ("Delete RESOURCE with all that is held on it.", "sidegate.cli.resource.change:delete"),
    "hand-over": ("Let HEIR take over what FORMER holds.", "sidegate.cli.resource.change:hand_over"),
}
EXAMPLES = (
    ("Register a template", "sidegate resource register --tenant acme template:nda --actor member:tina"),
    ("Somebody else is in charge now", "sidegate resource hand-over --tenant acme uma ugo"),
)


@click.group(cls=LazyGroup, loads=COMMANDS, examples=EXAMPLES)
def resource() -> None:
    """Register resources, change them, and hand them over."""
