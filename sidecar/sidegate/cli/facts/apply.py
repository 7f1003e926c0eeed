"""Shows what a facts file would change, and writes it."""

from __future__ import annotations

import asyncio

import click
from google.protobuf.json_format import MessageToDict

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.cli.facts.diff import difference, losses
from sidegate.cli.shell.client import Target, answer_of, connected, target_options
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.confirmation import Confirmation, confirmation_option
from sidegate.cli.shell.console import console, print_json
from sidegate.cli.shell.inputs import STDIN, read_text

TIMEOUT = 60.0


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
@target_options(timeout=TIMEOUT)
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


async def _apply(request: pb.ApplyFactsRequest, target: Target) -> pb.ApplyFactsResponse:
    async with connected(target) as channel:
        stub = FactsServiceStub(channel)
        return await answer_of(stub.ApplyFacts(request, timeout=target.timeout), target)


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
