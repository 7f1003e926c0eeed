"""The command `sidegate`, and where each of its commands is."""

from __future__ import annotations

import os

import click

from sidegate import __version__
from sidegate.cli.shell.commands import LazyGroup

COMMANDS = {
    "serve": "sidegate.cli.serve:serve",
    "check": "sidegate.cli.check:check",
    "list": "sidegate.cli.list:list_",
    "facts": "sidegate.cli.facts:facts",
    "tenant": "sidegate.cli.tenant:tenant",
    "member": "sidegate.cli.member:member",
    "role": "sidegate.cli.role:role",
    "group": "sidegate.cli.group:group",
    "grant": "sidegate.cli.grant:grant",
    "resource": "sidegate.cli.resource:resource",
    "quota": "sidegate.cli.quota:quota",
    "history": "sidegate.cli.history:history",
    "report": "sidegate.cli.report:report",
    "callers": "sidegate.cli.callers:callers",
    "policy": "sidegate.cli.policy:policy",
    "enforce": "sidegate.cli.enforce:enforce",
    "healthcheck": "sidegate.cli.healthcheck:healthcheck",
    "version": "sidegate.cli.version:version",
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
    # Before gRPC is imported: it would write a line of its own for each connection that fails its handshake.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    cli(prog_name="sidegate")
