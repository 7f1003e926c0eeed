"""Lists the use of quota over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click
from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.authz.v1.resource_pb2_grpc import QuotaServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import console, print_table
from sidegate.cli.shell.session import Session, page_options, read_options
from sidegate.cli.shell.timestamps import TimestampParam

STEPS: Final = ("entry", "day", "week", "month")
HEADERS: Final = ("time", "kind", "of", "consumed", "released", "assigned", "left", "actor")


def usage_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select the use of quota: whose, when, and added up over what."""
    for option in (
        click.option("--to", "end_time", type=TimestampParam(), help="Before this time."),
        click.option("--from", "start_time", type=TimestampParam(), help="Not before this time, such as 2026-03-01."),
        click.option(
            "--step", type=click.Choice(STEPS), default="day", show_default=True, help="The time that is added up."
        ),
        click.option("--group", default="", help="What members of this group used while they belonged to it."),
        click.option("--member", default="", help="What this member used."),
    ):
        command = option(command)
    return command


def usage_request(parent: str, *, member: str, group: str, step: str, **options: Any) -> pb.ListQuotaUsageRequest:
    """Return the request that the options make.

    Raises:
        UsageError: both a member and a group are named.
    """
    if member and group:
        raise click.UsageError("expected at most one of --member and --group")
    named = pb.QuotaStep.Value(f"QUOTA_STEP_{step.upper()}")
    request = pb.ListQuotaUsageRequest(parent=parent, step=named, **options)
    if member:
        request.member = member
    elif group:
        request.group = group
    return request


@click.command(
    "usage",
    cls=Command,
    examples=(
        ("By day", "sidegate quota usage --tenant acme --from 2026-03-01 --to 2026-04-01"),
        ("A member's, each by itself", "sidegate quota usage --tenant acme --member uma --step entry"),
        ("A team's, by month", "sidegate quota usage --tenant acme --group sales --step month"),
    ),
)
@usage_options
@page_options
@read_options
def usage(session: Session, *, limit: int, **options: Any) -> None:
    """List how much quota was consumed, released and assigned.

    Steps without any use are left out. Days are in UTC; a day that a time is in counts whole.
    """
    request = usage_request(session.parent, page_size=limit, actor=session.actor, **options)
    answer = session.call(QuotaServiceStub, "ListQuotaUsage", request)
    if session.as_json:
        session.show(answer)
        return
    print_table(console(), HEADERS, [(_shown(one, options["step"]), *usage_cells(one)) for one in answer.usage])
    if answer.next_page_token:
        click.echo(f"\nThere are more: --page {answer.next_page_token}")


def usage_cells(used: pb.QuotaUsage) -> tuple[str, ...]:
    """Return all but the time: kind, holder, what was consumed, released and assigned, what is left, and the actor."""
    kind = used.WhichOneof("holder") or ""
    sums = (str(used.consumed), str(used.released), str(used.assigned))
    return (kind, getattr(used, kind), *sums, str(used.quota) if used.HasField("quota") else "", used.actor)


def _shown(used: pb.QuotaUsage, step: str) -> str:
    start: Timestamp = used.start_time
    return start.ToDatetime().strftime("%Y-%m-%d %H:%M:%S" if step == "entry" else "%Y-%m-%d")
