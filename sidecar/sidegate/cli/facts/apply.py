"""Shows what a facts file would change, and writes it."""

from __future__ import annotations

import asyncio

import click
from google.protobuf.json_format import MessageToDict

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.cli.facts.diff import difference, losses
from sidegate.cli.facts.send import send
from sidegate.cli.shell.client import Target, target_options
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.confirmation import Confirmation, confirmation_option
from sidegate.cli.shell.console import console, print_json, print_lines
from sidegate.cli.shell.inputs import STDIN, read_text

TIMEOUT = 600.0


@click.command(
    cls=Command,
    examples=(
        ("See what a file would change", "sidegate facts plan facts.yaml"),
        ("See what a generated document would change", "sidegate facts plan - --json"),
    ),
)
@click.argument("file", shell_complete=complete_file)
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
@target_options(timeout=TIMEOUT)
def plan(target: Target, *, file: str, as_json: bool) -> None:
    """Show what FILE would change, and write nothing.

    FILE is YAML or JSON, as `facts schema` describes it; - is standard input.
    """
    options = pb.ImportFactsOptions(source=_source(file), validate_only=True)
    planned = asyncio.run(send(_document(file), options, target))
    _print(planned, as_json=as_json, ending="Nothing was written; `facts apply` writes it.")


@click.command(
    cls=Command,
    examples=(
        ("Write a file, after a question where it deletes", "sidegate facts apply facts.yaml"),
        ("In a script", "sidegate facts apply facts.yaml --yes"),
        ("Name the actor, for the history", "sidegate facts apply facts.yaml --actor ops@acme.example"),
    ),
)
@click.argument("file", shell_complete=complete_file)
@click.option("--actor", default="", help="Who writes, for the history.  [default: platform]")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
@confirmation_option
@target_options(timeout=TIMEOUT)
def apply(target: Target, confirmation: Confirmation, *, file: str, actor: str, as_json: bool) -> None:
    """Write FILE: each tenant in it holds exactly what FILE says.

    All of it is one transaction, however large FILE is; a large one is sent in chunks. Tenants that FILE does not
    name stay as they are. A fault anywhere in FILE changes nothing. FILE is YAML or JSON, as `facts schema` describes
    it; - is standard input. Where it deletes members, groups, roles or resources, or suspends a tenant, a person is
    asked on the terminal without --yes.
    """
    document, source = _document(file), _source(file)
    if not confirmation.yes:
        planned = asyncio.run(send(document, pb.ImportFactsOptions(source=source, validate_only=True), target))
        if lost := tuple(losses(planned.tenants)):
            confirmation.require(f"apply `{source}`", lost)
    written = asyncio.run(send(document, pb.ImportFactsOptions(source=source, actor=actor), target))
    _print(written, as_json=as_json, ending="Written.")


def _document(file: str) -> bytes:
    return read_text(file).encode()


def _source(file: str) -> str:
    return "<stdin>" if file == STDIN else file


def _print(response: pb.ApplyFactsResponse, *, as_json: bool, ending: str) -> None:
    if as_json:
        print_json(MessageToDict(response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
        return
    target = console()
    print_lines(target, difference(response.tenants))
    if any(tenant.changes for tenant in response.tenants):
        target.print(ending)
