"""`sidegate policy`: packs, tested, linted and shown."""

from __future__ import annotations

from sidegate.cli.shell.commands import lazy_group

COMMANDS = {
    "test": "sidegate.cli.policy.test:test",
    "lint": "sidegate.cli.policy.lint:lint",
    "show": "sidegate.cli.policy.show:show",
}
EXAMPLES = (
    ("Before a policy is merged", "sidegate policy lint policies/"),
    ("", "sidegate policy test policies/"),
    ("Read a pack as a table", "sidegate policy show standard"),
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def policy() -> None:
    """Test, lint and show policy packs."""
