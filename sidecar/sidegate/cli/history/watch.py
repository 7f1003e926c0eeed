"""Changes, followed as they are written."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import click
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode, aio

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from sidegate.cli.history.change_filters import change_filter_options
from sidegate.cli.history.list import row_of
from sidegate.cli.shell.client import Target, answer_of, connected
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import print_json
from sidegate.cli.shell.failures import UNDECIDED, Failure
from sidegate.cli.shell.names import id_of
from sidegate.cli.shell.output import echo
from sidegate.cli.shell.session import Session, cross_tenant_options
from sidegate.cli.shell.timestamps import TimestampParam
from sidegate.server.wire.names import name_of

_EVERY: Final = "-"
_PASSING: Final = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.RESOURCE_EXHAUSTED,
        # A stream also ends with these when a server or a proxy stops in the middle of it.
        StatusCode.CANCELLED,
        StatusCode.INTERNAL,
        StatusCode.UNKNOWN,
    }
)
_LONGEST_PAUSE: Final = 30.0
_WIDTHS: Final = (19, 16, 7, 12)
"""Columns of time, actor, change and kind: fixed, because lines to come are not known yet."""


@click.command(
    "watch",
    cls=Command,
    examples=(
        ("Changes from now on", "sidegate history watch --tenant acme"),
        (
            "Every invitation from the first one, and new ones",
            "sidegate history watch --kind invitation --from-beginning",
        ),
        ("For a script: a line of JSON for each answer, with its cursor", "sidegate history watch --json"),
        ("The changes since a cursor, and no new ones", "sidegate history watch --cursor TOKEN --once --json"),
    ),
)
@click.option(
    "--tenant",
    default=_EVERY,
    show_default=True,
    envvar="SIDEGATE_TENANT",
    show_envvar=True,
    help="The tenant; - is all of them.",
)
@change_filter_options
@click.option("--cursor", default="", metavar="TOKEN", help="Go on after this cursor.")
@click.option("--from-beginning", is_flag=True, help="Begin with the first change.")
@click.option("--from", "start_time", type=TimestampParam(), help="Begin at this time, such as 2026-03-01T09:00:00Z.")
@click.option("--once", is_flag=True, help="End after the last change that is stored now.")
@cross_tenant_options
def watch(session: Session, *, tenant: str, author: str, once: bool, **asked: Any) -> None:
    """Follow changes as they are written.

    A change must match every filter that is given. A connection that is lost, or silent for longer than the timeout,
    is opened again without losing a change. Ctrl-C ends it and prints the cursor to go on with.
    """
    starts = [name for name in ("cursor", "from_beginning", "start_time") if asked[name]]
    if len(starts) > 1:
        raise click.UsageError("name one of --cursor, --from-beginning and --from")
    given = {name: value for name, value in asked.items() if value}
    request = pb.WatchChangesRequest(
        parent=name_of(tenant), actor=author, heartbeat=_heartbeat(session.target), **given
    )
    asyncio.run(_Follower(session, request, once=once).run())


@dataclass
class _Follower:
    """Reads one stream after the other, each from the cursor of the one before."""

    session: Session
    request: pb.WatchChangesRequest
    once: bool = field(kw_only=True)
    failures: int = 0

    async def run(self) -> None:
        """Print changes until a signal, or with `once` until the last one that is stored.

        Raises:
            Failure: the server refused; or with `once` it did not answer.
        """
        following = asyncio.ensure_future(self._follow())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, following.cancel)
        try:
            with suppress(asyncio.CancelledError):
                await following
        finally:
            if self.request.cursor:
                echo(f"To go on: --cursor {self.request.cursor}", err=True)

    async def _follow(self) -> None:
        async with connected(self.session.target) as channel:
            while True:
                try:
                    if await self._follow_stream(channel):
                        return
                except Failure as failure:
                    if self.once or not _passes(failure):
                        raise
                    await self._pause(failure)

    async def _follow_stream(self, channel: aio.Channel) -> bool:
        async with aclosing(_responses(channel, self.request, self.session.target)) as responses:
            async for response in responses:
                self._print(response)
                self.request.cursor = response.cursor
                self.failures = 0
                if self.once and response.caught_up:
                    return True
        return False

    async def _pause(self, failure: Failure) -> None:
        self.failures += 1
        seconds = min(2.0**self.failures / 2, _LONGEST_PAUSE)
        echo(f"{failure.message}; trying again in {seconds:g} s", err=True)
        # Clients that lost the same server should not all come back at the same time.
        await asyncio.sleep(seconds * random.uniform(0.5, 1.0))  # noqa: S311 - no secret depends on it

    def _print(self, response: pb.WatchChangesResponse) -> None:
        if self.session.as_json:
            print_json(MessageToDict(response, preserving_proto_field_name=True), indent=None)
            return
        every = self.request.parent == f"tenants/{_EVERY}"
        for recorded in response.changes:
            *short, of, details = row_of(recorded)
            columns = [cell.ljust(width) for cell, width in zip(short, _WIDTHS, strict=True)]
            if every:
                columns.insert(1, id_of(recorded.tenant))
            echo("  ".join([*columns, of, details]).rstrip())


async def _responses(
    channel: aio.Channel, request: pb.WatchChangesRequest, target: Target
) -> AsyncGenerator[pb.WatchChangesResponse, None]:
    """Yield the responses of a stream.

    Raises:
        Failure: it ended, or sent nothing for the timeout.
    """
    call = HistoryServiceStub(channel).WatchChanges(request)
    try:
        while True:
            try:
                async with asyncio.timeout(target.timeout):
                    response = await answer_of(call.read(), target)
            except TimeoutError:
                message = f"`{target.address}` was silent for {target.timeout:g} s"
                raise Failure(message, exit_code=UNDECIDED) from None
            if response is aio.EOF:
                raise Failure(f"`{target.address}` ended the stream", exit_code=UNDECIDED)
            yield response
    finally:
        call.cancel()


def _passes(failure: Failure) -> bool:
    cause = failure.__cause__
    return cause.code() in _PASSING if isinstance(cause, aio.AioRpcError) else failure.exit_code == UNDECIDED


def _heartbeat(target: Target) -> Duration:
    """Return the interval of heartbeats, well below the timeout after which the server counts as silent."""
    seconds = max(1.0, min(10.0, target.timeout / 3))
    return Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e9))
