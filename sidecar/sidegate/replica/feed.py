"""Reads the store's feed change by change, and notices when it is not the feed that was read before."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from sidegate.errors import StoreUnavailable
from sidegate.model.change import RecordedChange
from sidegate.ports.facts_store import FactsStore

PAGE: Final = 1000
"""Changes read in one call."""
PATIENCE: Final = 5.0
"""Seconds after which a page that does not arrive is requested again, on another connection."""
FOLLOW_LIMIT: Final = 100_000
"""Changes beyond which it is quicker to load all tenants again than to follow each change."""


class Feed:
    """The feed as far as it was read.

    Its numbers have no gaps, so each read begins at the change that the last one ended with, the anchor. A different
    change there, a gap after it, or an end before the store's own head mean that the store was restored or that changes
    were removed: then memory may hold facts that the store's history does not have.
    """

    def __init__(self, store: FactsStore) -> None:
        self._store = store
        self._sequence: int | None = None
        self._anchor: RecordedChange | None = None
        self._gap = False

    def __repr__(self) -> str:
        return f"Feed(sequence={self._sequence})"

    @property
    def sequence(self) -> int:
        """The newest change that was read, 0 where there is none."""
        return self._sequence or 0

    @property
    def anchor(self) -> RecordedChange | None:
        """The newest change that was read, None where it is not known."""
        return self._anchor

    @property
    def gap(self) -> bool:
        """Whether the last read found a feed that does not continue the one that was read before."""
        return self._gap

    def resume(self, anchor: RecordedChange) -> None:
        """Continue after a change that was read by an earlier process."""
        self._anchor, self._sequence = anchor, anchor.sequence

    async def read(self) -> Mapping[str, Sequence[RecordedChange]] | None:
        """Return by tenant what changed since the last read, in whole revisions; None where that is not known.

        After None the next read begins at the head, and the caller must drop all that it holds in memory. That is so
        for the first read, for a gap, and for more changes than are worth following one by one, which are no gap.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        self._gap = False
        if self._sequence is None:
            await self._begin()
            return None
        found: defaultdict[str, list[RecordedChange]] = defaultdict(list)
        sequence, anchor = self._sequence, self._anchor
        more = True
        while more:
            head, changes = await self._page(sequence, PAGE)
            more = len(changes) == PAGE
            # The anchor is compared first: of a restored store also a distant head is a gap.
            self._gap = not _follows(changes, sequence, anchor) or (not more and head != _end(changes, sequence))
            if self._gap or head - self._sequence > FOLLOW_LIMIT:
                await self._begin()
                return None
            for recorded in changes[1:] if anchor else changes:
                found[recorded.tenant].append(recorded)
            if changes:
                sequence, anchor = changes[-1].sequence, changes[-1]
        # Only now are the revisions that were found whole.
        self._sequence, self._anchor = sequence, anchor
        return found

    async def _page(self, sequence: int, limit: int) -> tuple[int, Sequence[RecordedChange]]:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._store.feed(sequence, limit=limit)
        except TimeoutError as error:
            raise StoreUnavailable("the store is silent") from error

    async def _begin(self) -> None:
        head = await self._store.head()
        _, changes = await self._page(head, 1)
        self._anchor = changes[0] if changes and changes[0].sequence == head else None
        self._sequence = head


def _follows(changes: Sequence[RecordedChange], sequence: int, anchor: RecordedChange | None) -> bool:
    """Return whether these changes continue from the anchor, or from after `sequence` where its change is not known."""
    if anchor is not None and (not changes or changes[0] != anchor):
        return False
    first = sequence if anchor else sequence + 1
    return all(recorded.sequence == number for number, recorded in enumerate(changes, first))


def _end(changes: Sequence[RecordedChange], sequence: int) -> int:
    return changes[-1].sequence if changes else sequence
