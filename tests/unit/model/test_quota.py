"""What changes mean for quota, and the periods over which that is added up."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.model.change import Cause, Change, EntryKind
from sidegate.model.quota import ONE_DAY, Period, QuotaUse, UsageQuery, quota_use

DAYS = st.dates(date(1, 1, 1), date(9998, 12, 31))


@given(period=st.sampled_from(Period), day=DAYS)
def test_each_day_is_in_one_period(period, day):
    """A period starts at or before its day, ends after it, and all its days have the same start and end."""
    start, end = period.start(day), period.end(day)
    assert start <= day < end
    for other in (start, end - ONE_DAY):
        assert (period.start(other), period.end(other)) == (start, end)
    assert period.start(end) == end


def test_weeks_start_on_monday_and_months_on_their_first():
    """The 1st of March 2026 is a Sunday: its week started in February."""
    assert Period.WEEK.start(date(2026, 3, 1)) == date(2026, 2, 23)
    assert Period.MONTH.end(date(2026, 2, 28)) == date(2026, 3, 1)
    assert Period.MONTH.end(date(2026, 12, 1)) == date(2027, 1, 1)


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (None, None, (date.min, date.max)),
        (
            datetime(2026, 3, 1, 23, 59, tzinfo=UTC),
            datetime(2026, 3, 2, tzinfo=UTC),
            (date(2026, 3, 1), date(2026, 3, 2)),
        ),
        (None, datetime(2026, 3, 2, 0, 0, 0, 1, tzinfo=UTC), (date.min, date(2026, 3, 3))),
        (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), (date.min, date.min)),
        (None, datetime.max.replace(tzinfo=UTC), (date.min, date.max)),
    ],
)
def test_a_query_has_each_day_that_its_times_touch(since, until, days):
    """A range that ends with midnight has not the day that begins then; the ends of all time are times, too."""
    assert UsageQuery(since=since, until=until).days == days


def changed(before, after, cause=Cause.UNSAID, entity=EntryKind.MEMBER):
    return Change(entity, ("uma",), before, after, cause)


@pytest.mark.parametrize(
    ("change", "use"),
    [
        (changed({"quota": 5}, {"quota": 3}, Cause.CONSUMED), QuotaUse(consumed=2)),
        (changed({"quota": 3}, {"quota": 4}, Cause.RELEASED), QuotaUse(released=1)),
        (changed({"quota": 5}, {"quota": 3}), QuotaUse(assigned=-2)),
        (changed({"quota": None}, {"quota": 3}), QuotaUse(assigned=3)),
        (changed(None, {"quota": 3}), QuotaUse(assigned=3)),
        (changed({"quota": 3}, None), QuotaUse(assigned=-3)),
        (changed({"quota": 3, "name": "a"}, {"quota": 3, "name": "b"}), None),
        (changed({"quota": None}, {"quota": 0}), None),
        (changed({"quota": 3}, {"quota": 4}, entity=EntryKind.ROLE), None),
    ],
)
def test_a_change_means_one_kind_of_use(change, use):
    """What was consumed, released and assigned never mix, and what leaves the quota as it was means nothing."""
    assert quota_use(change) == use
