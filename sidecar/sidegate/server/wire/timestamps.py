"""Timestamps on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.server.wire.validation import Inspection


def read_timestamp(message: Timestamp, field: str, inspection: Inspection) -> datetime | None:
    """Return a timestamp as a datetime; one out of range goes to `inspection`."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        inspection.add(field, "is no time: expected one of the years 1 to 9999")
        return None


def read_range(message: Any, inspection: Inspection) -> tuple[datetime | None, datetime | None]:
    """Return the start and the end that a message gives, None where it gives none; wrong ones go to `inspection`."""
    start, end = (
        read_timestamp(getattr(message, field), field, inspection) if message.HasField(field) else None
        for field in ("start_time", "end_time")
    )
    return start, end


def write_timestamp(at: datetime | None) -> Timestamp | None:
    """Return a time as clients see it; None if there is none."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message
