"""Revisions: the states of a tenant, by number and time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a tenant: the number of the write that made it, and its time in microseconds since 1970 (UTC).

    Both grow with every write. A restored store uses numbers again, but never a time: only number and time together
    identify a state.
    """

    number: int = 0
    time: int = 0

    @classmethod
    def made(cls, number: int, at: datetime | None) -> Revision:
        """Return the revision of a number and its time; `at` is None if its change is no longer stored."""
        return cls(number, 0 if at is None else (at - _EPOCH) // _MICROSECOND)


NO_REVISION: Final = Revision()
"""The revision of a tenant that does not exist."""
