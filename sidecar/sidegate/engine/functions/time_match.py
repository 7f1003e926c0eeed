"""Windows of time and the built-in `timeMatch`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sidegate.errors import EvaluationError

YEAR_ZERO: Final = "0000-"
"""The start of a time in the year 0: Casbin for Go reads it, Python's calendar starts at year 1."""
_ANCIENT_YEAR: Final = "0004-"
"""Another leap year of the distant past: a window that starts or ends there holds at the same times."""
OPEN: Final = "_"
"""A window without start or end."""


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, both excluded, in local time; None where it is open."""

    start: datetime | None
    end: datetime | None

    @classmethod
    def read(cls, start: str, end: str) -> Window:
        """Read two times of the form `2026-01-31 23:59:59`, or `_`.

        Raises:
            ValueError: another form.
        """
        return cls(_time(start), _time(end))

    def holds(self, now: datetime) -> bool:
        """Whether `now` is within the window."""
        return (self.start is None or now > self.start) and (self.end is None or now < self.end)


def time_match(start: object, end: object) -> bool:
    """Return whether the current time is between two times, as `timeMatch` does.

    Raises:
        EvaluationError: not two times.
    """
    if not isinstance(start, str) or not isinstance(end, str):
        raise EvaluationError("timeMatch() needs two texts")
    try:
        return Window.read(start, end).holds(current_time())
    except ValueError as error:
        raise EvaluationError(f"timeMatch(): {error}") from error


def current_time() -> datetime:
    """Return the local time of the machine, in which Casbin reads windows."""
    return datetime.now()  # noqa: DTZ005 - as Casbin does


def readable(text: str) -> str:
    """Return a time of a window in a form that Python's calendar can parse."""
    return _ANCIENT_YEAR + text.removeprefix(YEAR_ZERO) if text.startswith(YEAR_ZERO) else text


def _time(text: str) -> datetime | None:
    if text == OPEN:
        return None
    try:
        return datetime.strptime(readable(text), "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - as above
    except ValueError:
        raise ValueError(f"`{text[:40]}` is no time such as `2026-01-31 23:59:59`, nor `{OPEN}`") from None
