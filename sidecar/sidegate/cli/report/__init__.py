"""`sidegate report`: the audit trail, the members and the quotas as CSV."""

from __future__ import annotations

from sidegate.cli.shell.commands import lazy_group

COMMANDS = {
    "audit": "sidegate.cli.report.write:audit",
    "members": "sidegate.cli.report.write:members",
    "quota": "sidegate.cli.report.write:quota",
}
EXAMPLES = (
    ("Who did what in March", "sidegate report audit --tenant acme --from 2026-03-01 --to 2026-04-01 --output a.csv"),
    ("The members", "sidegate report members --tenant acme --output members.csv"),
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def report() -> None:
    """Write CSV for spreadsheets: audit trail, members, quotas."""
