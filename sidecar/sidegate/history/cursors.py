"""Places in the feed of changes, and what comes after them."""

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
"""Changes read at once, which is all that is held in memory of them."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the feed: after the change with this sequence, which was written `at`; 0 and None at its beginning.

    Two feeds that have the same place are the same feed up to there.
    """

    sequence: int = 0
    at: datetime | None = None


BEGINNING: Final = Place()


@dataclass(frozen=True, slots=True)
class Told:
    """Changes in their order, and the place after them and after all that the conditions left out before it."""

    changes: Sequence[RecordedChange]
    place: Place
    caught_up: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes: those of a tenant, or of ANY_TENANT, that its query asks for; the order is the feed's."""

    tenant: str = ANY_TENANT
    query: ChangeQuery = field(default_factory=ChangeQuery)

    def holds(self, recorded: RecordedChange) -> bool:
        """Return whether a change is one of them."""
        query = self.query
        return (
            self.tenant in {ANY_TENANT, recorded.tenant}
            and query.actor in {"", recorded.actor}
            and query.entity in {None, recorded.change.entity}
            and subjects_of(recorded.tenant, recorded.change).issuperset(query.subjects)
        )


class Places:
    """Reads a store's changes in the order of their commits, forward from any place. All raise StoreUnavailable."""

    def __init__(self, store: FactsStore, history: HistoryStore) -> None:
        self._store = store
        self._history = history

    async def require_tenant(self, tenant: str) -> None:
        """Do nothing where there is such a tenant, or was one.

        Raises:
            NotFound: there never was one.
        """
        if tenant != ANY_TENANT and not await self._history.revision_at(tenant):
            raise NotFound(f"there never was a tenant `{tenant}`")

    async def require(self, place: Place) -> None:
        """Do nothing where the feed still has a place.

        Raises:
            InvalidInput: it does not, so nobody can say what comes after it.
        """
        if place != await self._place(place.sequence):
            message = "the store was taken back to an earlier state since: read what is there, and begin anew"
            raise InvalidInput(Violation("cursor", message))

    async def end(self) -> Place:
        """Return the place after the newest change."""
        return await self._place(await self._store.head())

    async def before(self, moment: datetime) -> Place:
        """Return the place before the first change that was not before a moment."""
        # Times never go back along the feed, and its sequences have no gaps: halving finds the place.
        lowest, highest = 0, await self._store.head()
        while lowest < highest:
            middle = (lowest + highest) // 2
            at = (await self._place(middle + 1)).at
            if at is None or at < moment:
                lowest = middle + 1
            else:
                highest = middle
        return await self._place(lowest)

    async def after(self, place: Place, wanted: Wanted, *, until: int) -> Told:
        """Return the next changes after a place, whole revisions where they are not too long, up to a sequence.

        `until` is at the end of a revision, and beyond the place.

        Raises:
            InvalidInput: the feed has the place no more.
        """
        await self.require(place)
        page = await self._page(place.sequence, wanted)
        known = [recorded for recorded in page if recorded.sequence <= until]
        if len(known) == PAGE:
            return tell(known, wanted, more=True)
        return replace(tell(known, wanted, more=False), place=await self._place(until))

    async def _page(self, sequence: int, wanted: Wanted) -> Sequence[RecordedChange]:
        if wanted.tenant == ANY_TENANT:
            return (await self._store.feed(sequence + 1, limit=PAGE))[1]
        query = replace(wanted.query, oldest_first=True)
        return await self._history.history(wanted.tenant, query, after=sequence, limit=PAGE)

    async def _place(self, sequence: int) -> Place:
        """Return the place after a change; without its time where the change is not kept."""
        _, found = await self._store.feed(sequence, limit=1) if sequence else (0, ())
        return Place(sequence, next((recorded.at for recorded in found if recorded.sequence == sequence), None))


def tell(page: Sequence[RecordedChange], wanted: Wanted, *, more: bool) -> Told:
    """Return what is wanted of a page of the feed, and the place after it; `more` says that it may be cut off."""
    whole = _without_the_cut_one(page) if more else page
    place = Place(whole[-1].sequence, whole[-1].at) if whole else BEGINNING
    return Told([recorded for recorded in whole if wanted.holds(recorded)], place, caught_up=not more)


def _without_the_cut_one(page: Sequence[RecordedChange]) -> Sequence[RecordedChange]:
    """Return a page without its last revision, which may go on beyond it, unless it is all there is."""
    last = page[-1]
    whole = [recorded for recorded in page if (recorded.tenant, recorded.revision) != (last.tenant, last.revision)]
    return whole or page
