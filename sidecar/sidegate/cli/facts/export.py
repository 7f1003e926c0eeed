"""Exports facts, and the schema of a facts file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.cli.facts.apply import TIMEOUT
from sidegate.cli.shell.client import Target, answer_of, connected, target_options
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.inputs import STDIN, unreadable
from sidegate.cli.shell.timestamps import parse_timestamp
from sidegate.documents.json_schema import schema_text


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
@target_options(timeout=TIMEOUT)
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


async def _export(request: pb.ExportFactsRequest, target: Target) -> str:
    async with connected(target) as channel:
        call = FactsServiceStub(channel).ExportFacts(request, timeout=target.timeout)
        response: pb.ExportFactsResponse = await answer_of(call, target)
        return response.document
