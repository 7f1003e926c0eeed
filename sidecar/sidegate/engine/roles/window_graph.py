"""Role links that hold within a window of time only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sidegate.engine.casbin.rows import quoted, rows_without
from sidegate.engine.functions.time_match import Window, current_time
from sidegate.errors import RequestError, RowError
from sidegate.model.rules import RoleLinks, Row

MAX_HOPS: Final = 10
"""How many links of a chain Casbin's manager of conditional roles follows: one more than its plain manager."""


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
                raise RowError(f"row {quoted(row)}: {error}") from error
            links.setdefault((row[3] if domain else "", row[1]), {})[row[2]] = window
        self._links: Mapping[tuple[str, str], Mapping[str, Window]] = links

    def roles_of(self, name: str, domain: str, links: RoleLinks) -> set[str]:
        """Walk the links that hold now, at most ten hops.

        Raises:
            RequestError: links of one evaluation were given; they have no window.
        """
        if links.by_domain:
            raise RequestError("links of one evaluation need the role definition `g = _, _, _`")
        now = current_time()
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
        """Return a new graph with other links.

        Raises:
            RowError: a removed link is not there, or a time is wrong.
        """
        return WindowGraph([*rows_without(self._rows, removed), *added], domain=self._domain)

    def rows(self) -> Iterable[Row]:
        """Return the row of each link."""
        return self._rows
