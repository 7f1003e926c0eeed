"""Time: the built-in `timeMatch`, and role links that hold within a window only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sidegate.engine.casbin.rows import shown, without
from sidegate.errors import EvaluationError, RequestError, RowError
from sidegate.model.rules import RoleLinks, Row

YEAR_ZERO: Final = "0000-"
"""How a time in the year 0 starts: Casbin for Go reads it, Python's calendar starts at year 1."""
_LONG_PAST: Final = "0004-"
"""Another leap year before every time that is now: a window that starts or ends in either is the same window."""
OPEN: Final = "_"
"""The end of a window that does not end."""
MAX_HOPS: Final = 10
"""How far Casbin's manager of conditional roles follows a chain: one hop further than its plain one."""


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
        """Whether `now` is within."""
        return (self.start is None or now > self.start) and (self.end is None or now < self.end)


def time_match(start: object, end: object) -> bool:
    """Return whether the present moment lies between two times, as `timeMatch` does.

    Raises:
        EvaluationError: not two times.
    """
    if not isinstance(start, str) or not isinstance(end, str):
        raise EvaluationError("timeMatch() needs two texts")
    try:
        return Window.read(start, end).holds(_now())
    except ValueError as error:
        raise EvaluationError(f"timeMatch(): {error}") from error


class WindowGraph:
    """Links that hold within their windows; of several rows for one link the last counts."""

    __slots__ = ("_domain", "_links", "_rows")

    def __init__(self, rows: Iterable[Row], *, domain: bool) -> None:
        self._rows = tuple(rows)
        self._domain = domain
        links: dict[tuple[str, str], dict[str, Window]] = {}
        for row in self._rows:
            try:
                window = Window.read(*row[-2:])
            except ValueError as error:
                raise RowError(f"row {shown(row)}: {error}") from error
            links.setdefault((row[3] if domain else "", row[1]), {})[row[2]] = window
        self._links: Mapping[tuple[str, str], Mapping[str, Window]] = links

    def reach(self, name: str, domain: str, links: RoleLinks) -> set[str]:
        """Walk the links that hold now, at most ten hops.

        Raises:
            RequestError: links of one evaluation, which have no window.
        """
        if links.by_domain:
            raise RequestError("links of one evaluation need the role definition `g = _, _, _`")
        now = _now()
        found, frontier = {name}, [name]
        for _ in range(MAX_HOPS):
            further = [
                role
                for holder in frontier
                for role, window in self._links.get((domain, holder), {}).items()
                if window.holds(now)
            ]
            frontier = [role for role in dict.fromkeys(further) if role not in found]
            found.update(frontier)
        return found

    def changed(self, added: Iterable[Row], removed: Iterable[Row]) -> WindowGraph:
        """Return a graph with other links, built anew.

        Raises:
            RowError: a removed link is not there, or a time is wrong.
        """
        return WindowGraph([*without(self._rows, removed), *added], domain=self._domain)

    def rows(self) -> Iterable[Row]:
        """Return the row of each link."""
        return self._rows


def _now() -> datetime:
    return datetime.now()  # noqa: DTZ005 - Casbin's windows are in the local time of the machine


def readable(text: str) -> str:
    """Return a time of a window as Python's calendar can read it."""
    return _LONG_PAST + text.removeprefix(YEAR_ZERO) if text.startswith(YEAR_ZERO) else text


def _time(text: str) -> datetime | None:
    if text == OPEN:
        return None
    try:
        return datetime.strptime(readable(text), "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - as above
    except ValueError:
        raise ValueError(f"`{text[:40]}` is no time such as `2026-01-31 23:59:59`, nor `{OPEN}`") from None
