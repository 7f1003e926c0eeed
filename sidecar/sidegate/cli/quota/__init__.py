"""`sidegate quota`: what members may still send."""

from __future__ import annotations

import click

from sidegate.cli.shell.commands import LazyGroup

COMMANDS = {
    "set": ("Set what MEMBER has left to QUOTA.", "sidegate.cli.quota.change:set_"),
    "allocate": ("Share TOTAL evenly among all active members.", "sidegate.cli.quota.change:allocate"),
    "consume": ("Take from what MEMBER has left.", "sidegate.cli.quota.change:consume"),
    "usage": ("List how much quota was consumed, released and assigned.", "sidegate.cli.quota.usage:usage"),
    "release": ("Give back to MEMBER what was taken.", "sidegate.cli.quota.change:release"),
}
EXAMPLES = (
    ("Share a hundred", "sidegate quota allocate --tenant acme 100"),
    ("Take one, once", "sidegate quota consume --tenant acme uma --request-id send-4711"),
)


@click.group(cls=LazyGroup, loads=COMMANDS, examples=EXAMPLES)
def quota() -> None:
    """Share quota, and count its use."""
