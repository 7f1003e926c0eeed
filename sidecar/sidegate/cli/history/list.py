"""Changes, listed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from sidegate.cli.history.change_filters import change_filter_options
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import console, print_table
from sidegate.cli.shell.session import Session, page_options, read_options
from sidegate.cli.shell.timestamps import TimestampParam

HEADERS = ("time", "actor", "change", "kind", "of", "details")


@click.command(
    "list",
    cls=Command,
    examples=(
        ("The newest changes", "sidegate history list --tenant acme"),
        ("A document's history", "sidegate history list --tenant acme --resource document:contract --oldest-first"),
        ("Who was granted a role in March", "sidegate history list --tenant acme --role admin --from 2026-03-01"),
        ("For a script", "sidegate history list --tenant acme --kind grant --limit 1000 --json"),
    ),
)
@change_filter_options
@click.option("--by-group", "actor_group", default="", help="Changes made by members of this group.")
@click.option("--from", "start_time", type=TimestampParam(), help="Not before this time, such as 2026-03-01T09:00:00Z.")
@click.option("--to", "end_time", type=TimestampParam(), help="Before this time.")
@click.option("--oldest-first", is_flag=True, help="The oldest change first.")
@page_options
@read_options
def list_(session: Session, *, limit: int, author: str, **asked: Any) -> None:
    """List changes of the tenant, the newest first.

    A change must match every filter that is given. The tenant may have been deleted since. "member:uma via
    orders-service" is a change in the name of uma that the caller orders-service made.
    """
    request = pb.ListChangesRequest(
        parent=session.parent, page_size=limit, actor=author, requester=session.actor, **asked
    )
    answer = session.call(HistoryServiceStub, "ListChanges", request)
    if session.as_json:
        session.show(answer)
        return
    print_table(console(), HEADERS, [row_of(change) for change in answer.changes])
    if answer.next_page_token:
        click.echo(f"\nThere are more: --page {answer.next_page_token}")


def row_of(recorded: pb.RecordedChange) -> tuple[str, ...]:
    """Return a change as a row under the headers."""
    change = recorded.change
    did = did_of(change)
    return (
        _second(recorded.time),
        f"{recorded.actor} via {recorded.caller}" if recorded.caller else recorded.actor,
        did,
        change.entity,
        " ".join(change.key),
        ", ".join(_details(change, did)),
    )


def did_of(change: Any) -> str:
    """Return what happened to the entry of a change: made, altered or removed."""
    if not change.HasField("before"):
        return "made"
    return "altered" if change.HasField("after") else "removed"


def _details(change: Any, did: str) -> Iterable[str]:
    """Yield the fields of a change: before and after where it was altered, else all that are set."""
    before, after = (MessageToDict(getattr(change, side)) for side in ("before", "after"))
    if did != "altered":
        shown = after if did == "made" else before
        return (f"{name} {_value(shown[name])}" for name in sorted(shown) if shown[name] not in (None, "", {}, []))
    names = sorted({*before, *after})
    return (
        f"{name} {_value(before.get(name))} → {_value(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    )


def _value(value: Any) -> str:
    plain = int(value) if isinstance(value, float) and value.is_integer() else value
    return json.dumps(plain, ensure_ascii=False)


def _second(timestamp: Timestamp) -> str:
    return timestamp.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
