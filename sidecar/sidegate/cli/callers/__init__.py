"""`sidegate callers`: who may call a server, with which credentials."""

from __future__ import annotations

from sidegate.cli.shell.commands import lazy_group

COMMANDS = {
    "lint": "sidegate.cli.callers.lint:lint",
    "key": "sidegate.cli.callers.key:key",
    "schema": "sidegate.cli.callers.schema:schema",
}
EXAMPLES = (
    ("Make a key for a caller", "sidegate callers key 2026-a --out orders.key"),
    ("Before the file is used", "sidegate callers lint callers.yaml"),
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def callers() -> None:
    """Check the caller file, and make keys for it."""
