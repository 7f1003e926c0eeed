"""Cursors into the feed of changes, and the pages of changes that follow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sidegate.errors import InvalidInput, NotFound, Violation
from sidegate.model.change import ChangeQuery, RecordedChange
from sidegate.model.entry import subjects_of
from sidegate.ports.facts_store import FactsStore
from sidegate.ports.history_store import HistoryStore
from sidegate.replica.recent_changes import ANY_TENANT

PAGE: Final = 500
"""The most changes that one read returns, and that a watcher holds in memory."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the feed: after the change with this sequence, which was written `at`; 0 and None at the beginning.

    Two feeds that contain the same cursor are equal up to it.
    """

    sequence: int = 0
    at: datetime | None = None


BEGINNING: Final = Cursor()


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes in the order of the feed, and the cursor after them and after the changes that the filter left out.

    `caught_up` is true where no change follows the cursor.
    """

    changes: Sequence[RecordedChange]
    cursor: Cursor
    caught_up: bool


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which changes to return: those of a tenant, or of ANY_TENANT, that match the query; the order is the feed's."""

    tenant: str = ANY_TENANT
    query: ChangeQuery = field(default_factory=ChangeQuery)

    def matches(self, recorded: RecordedChange) -> bool:
        """Return whether the filter lets a change pass."""
        query = self.query
        return (
            self.tenant in {ANY_TENANT, recorded.tenant}
            and query.actor in {"", recorded.actor}
            and query.caller in {"", recorded.caller}
            and query.entity in {None, recorded.change.entity}
            and subjects_of(recorded.tenant, recorded.change).issuperset(query.subjects)
        )


class CursorReader:
    """Reads a store's changes in the order of their commits, forward from any cursor.

    Every method raises StoreUnavailable where the store does not answer.
    """

    def __init__(self, store: FactsStore, history: HistoryStore) -> None:
        self._store = store
        self._history = history

    async def require_tenant(self, tenant: str) -> None:
        """Require that the tenant exists or existed.

        Raises:
            NotFound: there never was such a tenant.
        """
        if tenant != ANY_TENANT and not await self._history.revision_at(tenant):
            raise NotFound(f"there never was a tenant `{tenant}`")

    async def require(self, cursor: Cursor) -> None:
        """Require that the feed contains the cursor.

        Raises:
            InvalidInput: it does not, so what follows the cursor is unknown.
        """
        if cursor != await self._cursor(cursor.sequence):
            message = "the store was restored to an earlier state: read the current facts, and start again"
            raise InvalidInput(Violation("cursor", message))

    async def end(self) -> Cursor:
        """Return the cursor after the newest change."""
        return await self._cursor(await self._store.head())

    async def before(self, time: datetime) -> Cursor:
        """Return the cursor before the first change that was written at `time` or later."""
        # Times never decrease along the feed, and sequences have no gaps: a binary search finds the cursor.
        lowest, highest = 0, await self._store.head()
        while lowest < highest:
            middle = (lowest + highest) // 2
            at = (await self._cursor(middle + 1)).at
            if at is None or at < time:
                lowest = middle + 1
            else:
                highest = middle
        return await self._cursor(lowest)

    async def after(self, cursor: Cursor, change_filter: ChangeFilter, *, until: int) -> ChangePage:
        """Return the next changes after a cursor, up to a sequence; a revision is split only if it exceeds a page.

        `until` is the end of a revision, and after the cursor.

        Raises:
            InvalidInput: the feed does not contain the cursor.
        """
        await self.require(cursor)
        page = await self._page(cursor.sequence, change_filter)
        known = [recorded for recorded in page if recorded.sequence <= until]
        if len(known) == PAGE:
            return page_of(known, change_filter, more=True)
        return replace(page_of(known, change_filter, more=False), cursor=await self._cursor(until))

    async def _page(self, sequence: int, change_filter: ChangeFilter) -> Sequence[RecordedChange]:
        if change_filter.tenant == ANY_TENANT:
            return (await self._store.feed(sequence + 1, limit=PAGE))[1]
        query = replace(change_filter.query, oldest_first=True)
        return await self._history.history(change_filter.tenant, query, after=sequence, limit=PAGE)

    async def _cursor(self, sequence: int) -> Cursor:
        """Return the cursor after a change; without its time where the store does not hold the change."""
        _, found = await self._store.feed(sequence, limit=1) if sequence else (0, ())
        return Cursor(sequence, next((recorded.at for recorded in found if recorded.sequence == sequence), None))


def page_of(changes: Sequence[RecordedChange], change_filter: ChangeFilter, *, more: bool) -> ChangePage:
    """Return the changes that match the filter, with the cursor after all of them.

    `more` says that the feed goes on, and that the last revision may be incomplete.
    """
    complete = _without_last_revision(changes) if more else changes
    cursor = Cursor(complete[-1].sequence, complete[-1].at) if complete else BEGINNING
    return ChangePage([recorded for recorded in complete if change_filter.matches(recorded)], cursor, not more)


def _without_last_revision(changes: Sequence[RecordedChange]) -> Sequence[RecordedChange]:
    """Return the changes without their last revision, which may be incomplete, unless it is the only one."""
    last = changes[-1]
    complete = [change for change in changes if (change.tenant, change.revision) != (last.tenant, last.revision)]
    return complete or changes
