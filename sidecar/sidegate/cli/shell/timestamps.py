"""Moments as commands take them: RFC 3339."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp


class TimestampParam(click.ParamType[Timestamp]):
    """A moment such as `2026-03-01T09:00:00Z`; a day alone is its first moment in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Timestamp:
        """Return the moment."""
        moment = parse_timestamp(value)
        if moment is None:
            self.fail(f"`{value}` is not right: expected a time such as 2026-03-01T09:00:00Z", param, ctx)
        return moment


def parse_timestamp(text: str) -> Timestamp | None:
    """Return the moment that a text tells, None where it tells none."""
    try:
        at = datetime.fromisoformat(f"{text}T00:00:00+00:00" if len(text) == len("2026-03-01") else text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    moment = Timestamp()
    moment.FromDatetime(at)
    return moment
