"""`sidegate facts`: the facts of tenants as one document."""

from __future__ import annotations

from sidegate.cli.shell.commands import lazy_group

COMMANDS = {
    "plan": "sidegate.cli.facts.apply:plan",
    "apply": "sidegate.cli.facts.apply:apply",
    "export": "sidegate.cli.facts.export:export",
    "schema": "sidegate.cli.facts.export:schema",
}
EXAMPLES = (
    ("See what would change, then change it", "sidegate facts plan facts.yaml"),
    ("", "sidegate facts apply facts.yaml"),
    ("Copy the facts of a tenant into a file", "sidegate facts export acme --output acme.yaml"),
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def facts() -> None:
    """Plan, apply and export facts: members, roles, grants."""
