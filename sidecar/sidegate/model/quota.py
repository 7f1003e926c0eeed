"""The use of quota: the effect of a change on it, and the periods it is summed over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

from sidegate.model.change import Cause, Change, EntryKind

ONE_DAY: Final = timedelta(days=1)


class Period(StrEnum):
    """A period of days, in UTC: a week starts on Monday, a month on its first."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def start(self, day: date) -> date:
        """Return the first day of the period that a day is in."""
        match self:
            case Period.DAY:
                return day
            case Period.WEEK:
                return day - day.weekday() * ONE_DAY
            case Period.MONTH:
                return day.replace(day=1)

    def end(self, day: date) -> date:
        """Return the first day after the period that a day is in."""
        match self:
            case Period.DAY:
                return day + ONE_DAY
            case Period.WEEK:
                return self.start(day) + 7 * ONE_DAY
            case Period.MONTH:
                return (self.start(day) + 31 * ONE_DAY).replace(day=1)


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """How much quota was consumed and released, and assigned minus withdrawn; each is counted separately.

    What is left after is what was left before + assigned + released - consumed.
    """

    consumed: int = 0
    released: int = 0
    assigned: int = 0

    def __add__(self, other: QuotaUse) -> QuotaUse:
        """Return the sum of both."""
        return QuotaUse(self.consumed + other.consumed, self.released + other.released, self.assigned + other.assigned)


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Whose use of quota to report, and from when until when; `until` is exclusive.

    `holder` is the reference of a member, or of a group for those that belonged to it; "" means every member and group.
    """

    holder: str = ""
    since: datetime | None = None
    until: datetime | None = None
    period: Period = Period.DAY

    @property
    def days(self) -> tuple[date, date]:
        """The first day of the query, and the first day after it: a day that is partly in the query counts in full."""
        first = date.min if self.since is None else self.since.date()
        if self.until is None:
            return first, date.max
        end = self.until.date()
        return first, end if self.until.time() == time() or end == date.max else end + ONE_DAY


@dataclass(frozen=True, slots=True)
class QuotaTotal:
    """What one holder used in the period that starts on a day."""

    start: date
    holder: str
    use: QuotaUse


def quota_use(change: Change) -> QuotaUse | None:
    """Return the effect of a change on its member's quota; None if the quota is unchanged."""
    if change.entity is not EntryKind.MEMBER:
        return None
    more = _quota(change.after) - _quota(change.before)
    if not more:
        return None
    match change.cause:
        case Cause.CONSUMED:
            return QuotaUse(consumed=-more)
        case Cause.RELEASED:
            return QuotaUse(released=more)
        case Cause.UNSAID:
            return QuotaUse(assigned=more)


def _quota(payload: Any) -> int:
    return (payload or {}).get("quota") or 0
