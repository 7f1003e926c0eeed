"""`sidegate facts`: the facts of tenants as one document."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from google.protobuf.json_format import MessageToDict

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.cli.shell.client import Target, answer_of, connected, target_options
from sidegate.cli.shell.commands import Command, LazyGroup
from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.confirmation import Confirmation, confirmation_option
from sidegate.cli.shell.console import console, print_json
from sidegate.cli.shell.diff import difference, losses
from sidegate.cli.shell.inputs import STDIN, read_text, unreadable
from sidegate.cli.shell.timestamps import parse_timestamp
from sidegate.documents.json_schema import schema_text

COMMANDS = {
    "plan": "sidegate.cli.facts:plan",
    "apply": "sidegate.cli.facts:apply",
    "export": "sidegate.cli.facts:export",
    "schema": "sidegate.cli.facts:schema",
}
EXAMPLES = (
    ("See what would change, then change it", "sidegate facts plan facts.yaml"),
    ("", "sidegate facts apply facts.yaml"),
    ("Copy the facts of a tenant into a file", "sidegate facts export acme --output acme.yaml"),
)
_TIMEOUT = 60.0


@click.group(cls=LazyGroup, loads=COMMANDS, examples=EXAMPLES)
def facts() -> None:
    """Plan, apply and export facts: members, roles, grants."""


@click.command(
    cls=Command,
    examples=(
        ("See what a file would change", "sidegate facts plan facts.yaml"),
        ("See what a generated document would change", "sidegate facts plan - --json"),
    ),
)
@click.argument("file", shell_complete=complete_file)
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
@target_options(timeout=_TIMEOUT)
def plan(target: Target, *, file: str, as_json: bool) -> None:
    """Show what FILE would change, and write nothing.

    FILE is YAML or JSON, as `facts schema` describes it; - is standard input.
    """
    request = pb.ApplyFactsRequest(document=read_text(file), source=_source(file), validate_only=True)
    _print(
        asyncio.run(_apply(request, target)), as_json=as_json, ending="Nothing was written; `facts apply` writes it."
    )


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
@target_options(timeout=_TIMEOUT)
def apply(target: Target, confirmation: Confirmation, *, file: str, actor: str, as_json: bool) -> None:
    """Write FILE: each tenant in it holds exactly what FILE says.

    All of it is one transaction. Tenants that FILE does not name stay as they are. A fault anywhere in FILE
    changes nothing. FILE is YAML or JSON, as `facts schema` describes it; - is standard input. Where it deletes
    members, groups, roles or resources, or suspends a tenant, a person is asked on the terminal without --yes.
    """
    document, source = read_text(file), _source(file)
    if not confirmation.yes:
        planned = asyncio.run(
            _apply(pb.ApplyFactsRequest(document=document, source=source, validate_only=True), target)
        )
        if lost := tuple(losses(planned.tenants)):
            confirmation.require(f"apply `{source}`", lost)
    request = pb.ApplyFactsRequest(document=document, source=source, actor=actor)
    _print(asyncio.run(_apply(request, target)), as_json=as_json, ending="Written.")


@click.command(
    cls=Command,
    examples=(
        ("All tenants, to standard output", "sidegate facts export"),
        ("Two of them, into a file", "sidegate facts export acme globex --output facts.yaml"),
        ("As it was at a time", "sidegate facts export acme --at 2026-03-01T09:00:00Z"),
    ),
)
@click.argument("tenants", nargs=-1, metavar="[TENANT]...")
@click.option("--at", metavar="REVISION|TIME", help="The facts at a revision of the one TENANT, or at a time.")
@click.option(
    "--output",
    metavar="FILE",
    default=STDIN,
    shell_complete=complete_file,
    help="Where to write it.  [default: standard output]",
)
@target_options(timeout=_TIMEOUT)
def export(target: Target, *, tenants: tuple[str, ...], at: str | None, output: str) -> None:
    """Write the facts of each TENANT, or of all.

    `facts apply` accepts the file unchanged. TIME is such as 2026-03-01T09:00:00Z;
    REVISION is a token from `history list --json`. With --at, TENANT may have been deleted since.
    """
    timestamp = None if at is None else parse_timestamp(at)
    request = pb.ExportFactsRequest(tenants=tenants, at_time=timestamp)
    if at is not None and timestamp is None:
        request.at_revision = at
    document = asyncio.run(_export(request, target))
    if output == STDIN:
        click.echo(document, nl=False)
        return
    try:
        Path(output).write_text(document, encoding="utf-8")
    except OSError as error:
        raise unreadable(output, error) from error


@click.command(cls=Command, examples=(("Store it beside the facts", "sidegate facts schema > facts.schema.json"),))
def schema() -> None:
    """Print the JSON Schema of a facts file, for editors."""
    click.echo(schema_text("facts"), nl=False)


async def _apply(request: pb.ApplyFactsRequest, target: Target) -> pb.ApplyFactsResponse:
    async with connected(target) as channel:
        stub = FactsServiceStub(channel)
        return await answer_of(stub.ApplyFacts(request, timeout=target.timeout), target)


async def _export(request: pb.ExportFactsRequest, target: Target) -> str:
    async with connected(target) as channel:
        call = FactsServiceStub(channel).ExportFacts(request, timeout=target.timeout)
        response: pb.ExportFactsResponse = await answer_of(call, target)
        return response.document


def _source(file: str) -> str:
    return "<stdin>" if file == STDIN else file


def _print(response: pb.ApplyFactsResponse, *, as_json: bool, ending: str) -> None:
    if as_json:
        print_json(MessageToDict(response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
        return
    target = console()
    for line in difference(response.tenants):
        target.print(line)
    if any(tenant.changes for tenant in response.tenants):
        target.print(ending)
