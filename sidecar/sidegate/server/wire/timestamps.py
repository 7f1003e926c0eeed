"""Moments on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.server.wire.validation import Inspection


def read_moment(moment: Timestamp, field: str, inspection: Inspection) -> datetime | None:
    """Return a moment; one that is none goes to `inspection`."""
    try:
        return moment.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        inspection.add(field, "is no time: expected one of the years 1 to 9999")
        return None


def read_range(message: Any, inspection: Inspection) -> tuple[datetime | None, datetime | None]:
    """Return the start and the end that a message gives, None where it gives none; wrong ones go to `inspection`."""
    start, end = (
        read_moment(getattr(message, field), field, inspection) if message.HasField(field) else None
        for field in ("start_time", "end_time")
    )
    return start, end


def write_moment(at: datetime | None) -> Timestamp | None:
    """Return a moment as clients see it, None where there is none."""
    if at is None:
        return None
    moment = Timestamp()
    moment.FromDatetime(at)
    return moment
