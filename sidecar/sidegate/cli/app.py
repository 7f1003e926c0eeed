"""The command `sidegate`: its table of commands."""

from __future__ import annotations

import click

from sidegate import __version__
from sidegate.cli.shell.commands import LazyGroup

COMMANDS = {
    "serve": ("Start the server.", "sidegate.cli.serve:serve"),
    "check": ("Ask whether SUBJECT may do ACTION on RESOURCE.", "sidegate.cli.check:check"),
    "list": ("List what is allowed: resources, subjects, actions.", "sidegate.cli.list:list_"),
    "facts": ("Plan, apply and export facts: members, roles, grants.", "sidegate.cli.facts:facts"),
    "tenant": ("Make tenants, and see them through to their end.", "sidegate.cli.tenant:tenant"),
    "member": ("Invite members, and see them through to their leaving.", "sidegate.cli.member:member"),
    "role": ("Make roles, and say what they allow.", "sidegate.cli.role:role"),
    "group": ("Make groups, and say who stands in them.", "sidegate.cli.group:group"),
    "grant": ("Grant and revoke roles, and delegate those that exactly one holds.", "sidegate.cli.grant:grant"),
    "resource": ("Register resources, change them, and hand them over.", "sidegate.cli.resource:resource"),
    "quota": ("Share quota, and count its use.", "sidegate.cli.quota:quota"),
    "history": ("Ask what changed, who did it, and when.", "sidegate.cli.history:history"),
    "report": ("Write CSV for spreadsheets: audit trail, members, quotas.", "sidegate.cli.report:report"),
    "policy": ("Test, lint and show policy packs.", "sidegate.cli.policy:policy"),
    "enforce": ("Decide requests by a Casbin model and policy.", "sidegate.cli.enforce:enforce"),
    "healthcheck": ("Tell whether a server serves, for probes.", "sidegate.cli.healthcheck:healthcheck"),
    "version": ("Tell the versions of Sidegate and of what it runs on.", "sidegate.cli.version:version"),
}
EXAMPLES = (
    ("Start a server with a demo tenant", "sidegate serve --demo"),
    ("Ask it", "sidegate check --tenant demo uma view document:contract"),
    ("See what a facts file would change", "sidegate facts plan facts.yaml"),
    ("Test the packs of a directory", "sidegate policy test policies/"),
)
EPILOG = """\b
Exit codes:
  0  done, or allowed
  1  denied (a check only where --exit-code asks), or tests failed
  2  bad input, or the server can't start
  3  could not decide, or no answer

\b
Shell completion, for bash (or zsh_source, fish_source):
  eval "$(_SIDEGATE_COMPLETE=bash_source sidegate)"
"""


@click.group(
    cls=LazyGroup,
    loads=COMMANDS,
    examples=EXAMPLES,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="sidegate", message="%(prog)s %(version)s")
def cli() -> None:
    """Decide who may do what: policy as code, answered over gRPC with the rule and the reason."""


def main() -> None:
    """Run the command line."""
    cli(prog_name="sidegate")
