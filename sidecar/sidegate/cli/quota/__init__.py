"""`sidegate quota`: how much members may still send."""

from __future__ import annotations

from sidegate.cli.shell.commands import lazy_group

COMMANDS = {
    "set": "sidegate.cli.quota.change:set_",
    "allocate": "sidegate.cli.quota.change:allocate",
    "consume": "sidegate.cli.quota.change:consume",
    "usage": "sidegate.cli.quota.usage:usage",
    "release": "sidegate.cli.quota.change:release",
}
EXAMPLES = (
    ("Divide a hundred among the members", "sidegate quota allocate --tenant acme 100"),
    ("Consume one, and only once", "sidegate quota consume --tenant acme uma --request-id send-4711"),
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def quota() -> None:
    """Assign quota, and record its use."""
