"""WatchChanges on the wire: reads requests, and writes pages of changes with a signed cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar

from google.protobuf.duration_pb2 import Duration

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.errors import InvalidInput
from sidegate.history.cursors import BEGINNING, ChangeFilter, ChangePage, Cursor
from sidegate.history.watch import HEARTBEAT, WatchOrder
from sidegate.model.change import RecordedChange
from sidegate.replica.recent_changes import ANY_TENANT
from sidegate.server.wire.change_filters import read_conditions
from sidegate.server.wire.names import tenant_of
from sidegate.server.wire.timestamps import read_timestamp
from sidegate.server.wire.tokens.seals import Seals
from sidegate.server.wire.validation import Inspection

T = TypeVar("T")
_PURPOSE: Final = "cursor"
EVERY_TENANT: Final = ("", "tenants/-")
"""Parents that mean all tenants."""
_HEARTBEATS: Final = (1.0, 300.0)
_MAX_BYTES: Final = 1024 * 1024
"""The size of the changes in one response; common clients accept no message above 4 MiB."""


class WatchCodec:
    """Reads requests to watch, and writes responses; cursors are signed, so that clients can't invent them."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals

    def read(self, message: pb.WatchChangesRequest) -> WatchOrder:
        """Return what a request asks to watch.

        Raises:
            InvalidInput: a condition, the cursor, the time or the heartbeat is not right.
        """
        tenant = ANY_TENANT if message.parent in EVERY_TENANT else tenant_of(message.parent, "parent", stored=True)
        inspection = Inspection()
        query = read_conditions(message, inspection)
        start = self._start(message, inspection)
        heartbeat = _heartbeat(message.heartbeat, inspection) if message.HasField("heartbeat") else HEARTBEAT
        inspection.finish()
        return WatchOrder(ChangeFilter(tenant, query), start, heartbeat)

    def write(
        self, page: ChangePage, write_change: Callable[[RecordedChange], pb.RecordedChange]
    ) -> Iterator[pb.WatchChangesResponse]:
        """Yield the responses of a page: one, or several where one would be too large."""
        written = [write_change(recorded) for recorded in page.changes]
        *parts, last = cut([(one.tenant, one.revision) for one in written], [one.ByteSize() for one in written])
        for part in parts:
            end = page.changes[part.stop - 1]
            yield pb.WatchChangesResponse(changes=written[part], cursor=self._seal(Cursor(end.sequence, end.at)))
        cursor = self._seal(page.cursor)
        yield pb.WatchChangesResponse(changes=written[last], cursor=cursor, caught_up=page.caught_up)

    def _seal(self, cursor: Cursor) -> str:
        return self._seals.seal(_PURPOSE, str(cursor.sequence), cursor.at.isoformat() if cursor.at else "")

    def _start(self, message: pb.WatchChangesRequest, inspection: Inspection) -> Cursor | datetime | None:
        match message.WhichOneof("start"):
            case "start_time":
                return read_timestamp(message.start_time, "start_time", inspection)
            case "from_beginning" if message.from_beginning:
                return BEGINNING
            case "cursor" if message.cursor:
                return self._open(message.cursor, inspection)
            case _:
                return None

    def _open(self, cursor: str, inspection: Inspection) -> Cursor | None:
        try:
            sequence, at = self._seals.open(_PURPOSE, cursor, field="cursor")
        except InvalidInput as error:
            inspection.found.extend(error.violations)
            return None
        return Cursor(int(sequence), datetime.fromisoformat(at) if at else None)


def cut(revisions: Sequence[T], sizes: Sequence[int], limit: int = _MAX_BYTES) -> Iterator[slice]:
    """Yield slices of at most `limit` bytes: whole revisions, or a part of one where it alone is longer.

    A change that alone exceeds the limit gets a slice of its own. There is always at least one slice.
    """
    start = size = whole = 0
    for position, (revision, more) in enumerate(zip(revisions, sizes, strict=True)):
        if position and revision != revisions[position - 1]:
            whole = position
        while start < position and size + more > limit:
            end = whole if whole > start else position
            yield slice(start, end)
            start, size = end, sum(sizes[end:position])
        size += more
    yield slice(start, len(sizes))


def _heartbeat(duration: Duration, inspection: Inspection) -> float:
    shortest, longest = _HEARTBEATS
    seconds = duration.seconds + duration.nanos / 1e9
    if not shortest <= seconds <= longest:
        inspection.add("heartbeat", f"`{seconds:g}` seconds are not right: expected 1 to 300")
    return seconds
