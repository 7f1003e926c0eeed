"""The use of quota on the wire: what a request asks for, and how totals and entries are written."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.model.change import RecordedChange
from sidegate.model.quota import Period, QuotaTotal, QuotaUse, UsageQuery, quota_use
from sidegate.model.reference import ref, split_ref
from sidegate.server.wire.timestamps import read_range, write_timestamp
from sidegate.server.wire.validation import Inspection

_PERIODS: Final = {
    pb.QUOTA_STEP_UNSPECIFIED: Period.DAY,
    pb.QUOTA_STEP_ENTRY: Period.DAY,
    pb.QUOTA_STEP_DAY: Period.DAY,
    pb.QUOTA_STEP_WEEK: Period.WEEK,
    pb.QUOTA_STEP_MONTH: Period.MONTH,
}


def read_usage_query(message: pb.ListQuotaUsageRequest) -> UsageQuery:
    """Return whose use of quota a request asks for, and when.

    Raises:
        InvalidInput: a condition is not right; names every one.
    """
    inspection = Inspection()
    kind = message.WhichOneof("holder")
    if kind:
        inspection.identifier(kind, getattr(message, kind), stored=True)
    if message.step not in _PERIODS:
        inspection.add("step", f"`{message.step}` is no step")
    since, until = read_range(message, inspection)
    inspection.finish()
    holder = ref(kind, getattr(message, kind)) if kind else ""
    return UsageQuery(holder, since, until, _PERIODS[message.step])


def read_cursor(after: str) -> tuple[date, str]:
    """Return the start and the holder of the last total before a page."""
    start, _, holder = after.partition(" ")
    return (date.fromisoformat(start) if start else date.min), holder


def write_cursor(total: QuotaTotal) -> str:
    """Return the cursor of the page after a total."""
    return f"{total.start.isoformat()} {total.holder}"


def write_total(total: QuotaTotal) -> pb.QuotaUsage:
    """Return a total as clients see it."""
    return _usage(total.holder, datetime.combine(total.start, time(), UTC), total.use)


def write_entry(recorded: RecordedChange) -> pb.QuotaUsage:
    """Return a change of a member's quota as clients see it."""
    change = recorded.change
    usage = _usage(ref("member", change.key[0]), recorded.at, quota_use(change) or QuotaUse())
    usage.actor = recorded.actor
    left = (change.after or {}).get("quota")
    if isinstance(left, int):
        usage.quota = left
    return usage


def _usage(holder: str, at: datetime, use: QuotaUse) -> pb.QuotaUsage:
    kind, id_ = split_ref(holder)
    usage = pb.QuotaUsage(
        start_time=write_timestamp(at), consumed=use.consumed, released=use.released, assigned=use.assigned
    )
    setattr(usage, kind, id_)
    return usage
