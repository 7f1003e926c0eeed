"""Timestamps as options: RFC 3339."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp


class TimestampParam(click.ParamType[Timestamp]):
    """A timestamp such as `2026-03-01T09:00:00Z`; a day alone is its start in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Timestamp:
        """Return the timestamp."""
        timestamp = parse_timestamp(value)
        if timestamp is None:
            self.fail(f"`{value}` is not right: expected a time such as 2026-03-01T09:00:00Z", param, ctx)
        return timestamp


def parse_timestamp(text: str) -> Timestamp | None:
    """Return the timestamp that a text is, None where it is none."""
    try:
        at = datetime.fromisoformat(f"{text}T00:00:00+00:00" if len(text) == len("2026-03-01") else text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(at)
    return timestamp
