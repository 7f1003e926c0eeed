"""The reports: each page is written as soon as it is read, so that memory does not grow with the rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

import click
from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.authz.v1 import membership_pb2
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from sidegate.authz.v1.membership_pb2_grpc import MembershipServiceStub
from sidegate.authz.v1.resource_pb2_grpc import QuotaServiceStub
from sidegate.cli.history.list import did_of
from sidegate.cli.member.list import member_cells
from sidegate.cli.quota.usage import HEADERS, usage_cells, usage_options, usage_request
from sidegate.cli.report.csv import write_sheet
from sidegate.cli.shell.client import Target, connected, pages_of, target_options
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.session import actor_option
from sidegate.cli.shell.timestamps import TimestampParam
from sidegate.server.wire.names import name_of

Rows = AsyncIterator[Sequence[str]]
_PAGE: Final = 1000
_TIMEOUT: Final = 60.0
AUDIT: Final = ("time", "actor", "change", "kind", "of", "before", "after", "revision", "caller")
MEMBERS: Final = (
    "member",
    "name",
    "e-mail",
    "phone",
    "status",
    "2FA",
    "quota",
    "roles",
    "groups",
    "last access",
    "created",
)


@dataclass(frozen=True, slots=True)
class Report:
    """A report to write: its tenant, server, actor and output."""

    target: Target
    tenant: str
    actor: str
    output: str

    @property
    def parent(self) -> str:
        """The tenant's name on the wire."""
        return name_of(self.tenant)

    def write(self, headers: Sequence[str], rows: Rows) -> None:
        """Write the rows as they come.

        Raises:
            Failure: the server refused or did not answer, or the file can't be written.
        """
        asyncio.run(write_sheet(self.output, headers, rows))

    async def pages(self, stub: Any, method: str, request: Any) -> AsyncIterator[Any]:
        """Yield the answers to a list request, page after page.

        Raises:
            Failure: the server refused, or did not answer.
        """
        async with connected(self.target) as channel:
            async for page in pages_of(getattr(stub(channel), method), request, self.target):
                yield page


def _report_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a report, and pass them to the command as `report`."""

    @wraps(command)
    def with_report(target: Target, *, tenant: str, actor: str, output: str, **options: Any) -> None:
        command(report=Report(target, tenant, actor, output), **options)

    written = click.option(
        "--output",
        metavar="FILE",
        required=True,
        shell_complete=complete_file,
        help="Where to write it; - is standard output.",
    )
    named = click.option("--tenant", required=True, envvar="SIDEGATE_TENANT", show_envvar=True, help="The tenant.")
    return named(written(actor_option(target_options(timeout=_TIMEOUT)(with_report))))


def _time_options(command: Callable[..., None]) -> Callable[..., None]:
    start = click.option(
        "--from", "start_time", type=TimestampParam(), help="Not before this time, such as 2026-03-01."
    )
    return start(click.option("--to", "end_time", type=TimestampParam(), help="Before this time.")(command))


@click.command(cls=Command, examples=(("All of it", "sidegate report audit --tenant acme --output audit.csv"),))
@_time_options
@_report_options
def audit(report: Report, **times: Timestamp | None) -> None:
    """Write every change of the tenant, the oldest first."""

    async def rows() -> Rows:
        async for recorded in _changes(report, **times):
            change = recorded.change
            sides = (_json(change, side) for side in ("before", "after"))
            what = did_of(change), change.entity, " ".join(change.key)
            yield (*_when(recorded), *what, *sides, recorded.revision, recorded.caller)

    report.write(AUDIT, rows())


@click.command(cls=Command, examples=(("All of them", "sidegate report members --tenant acme --output members.csv"),))
@_report_options
def members(report: Report) -> None:
    """Write the members of the tenant."""

    async def rows() -> Rows:
        request = membership_pb2.ListMembersRequest(
            parent=report.parent, page_size=_PAGE, actor=report.actor, for_report=True
        )
        async for page in report.pages(MembershipServiceStub, "ListMembers", request):
            for member in page.members:
                yield member_cells(member)

    report.write(MEMBERS, rows())


@click.command(
    cls=Command,
    examples=(
        ("March by day", "sidegate report quota --tenant acme --from 2026-03-01 --to 2026-04-01 --output quota.csv"),
        ("By month", "sidegate report quota --tenant acme --step month --output quota.csv"),
    ),
)
@usage_options
@_report_options
def quota(report: Report, **options: Any) -> None:
    """Write how much quota members and groups used.

    Rows are sorted by time, and within a step groups come before members. What a member used counts for the groups
    it belonged to at that time.
    """

    async def rows() -> Rows:
        request = usage_request(report.parent, page_size=_PAGE, actor=report.actor, for_report=True, **options)
        async for page in report.pages(QuotaServiceStub, "ListQuotaUsage", request):
            for used in page.usage:
                yield (used.start_time.ToJsonString(), *usage_cells(used))

    report.write(HEADERS, rows())


async def _changes(
    report: Report, *, start_time: Timestamp | None = None, end_time: Timestamp | None = None
) -> AsyncIterator[pb.RecordedChange]:
    request = pb.ListChangesRequest(
        parent=report.parent,
        page_size=_PAGE,
        start_time=start_time,
        end_time=end_time,
        oldest_first=True,
        requester=report.actor,
        for_report=True,
    )
    async for page in report.pages(HistoryServiceStub, "ListChanges", request):
        for recorded in page.changes:
            yield recorded


def _when(recorded: pb.RecordedChange) -> tuple[str, str]:
    return recorded.time.ToJsonString(), recorded.actor


def _json(change: Any, side: str) -> str:
    if not change.HasField(side):
        return ""
    payload = json.loads(MessageToJson(getattr(change, side)), parse_float=_whole)
    return json.dumps(payload, ensure_ascii=False, sort_keys=True)


def _whole(text: str) -> int | float:
    """Return a number, a whole one without the decimal point that the wire adds."""
    number = float(text)
    return int(number) if number.is_integer() else number
