"""What a page of a list says: of each ID between its begin and its end, whether it is allowed."""

from __future__ import annotations

from collections.abc import Iterator

from support.histories.record import Listing, Page, Part, Read
from support.histories.timeline import State
from support.histories.truth import ALLOWED, Rules, refused


def is_right(listing: Listing, page: Page, state: State, rules: Rules) -> bool:
    """Return whether a page holds what is allowed in a state, in order, and leaves out only what is denied."""
    refusal = "" if listing.part is Part.SUBJECT else refused(state, listing.question.subject)
    right = [id_ for id_ in allowed_in(state, listing, rules) if _says(listing, page, id_)]
    return [*page.ids] == right and page.reason == refusal


def allowed_in(state: State, listing: Listing, rules: Rules) -> list[str]:
    """Return the IDs that are allowed for the part that a list leaves open, in order."""
    return [id_ for id_ in sorted(rules.candidates(state, listing)) if rules(state, listing.about(id_)) == ALLOWED]


def last_id_before(listing: Listing) -> str:
    """Return the last ID on the pages before, "" where there is none."""
    return next((page.ids[-1] for _, page in _before(listing) if page.ids), "")


def ended_early(listing: Listing) -> Iterator[tuple[Read, Page]]:
    """Yield the pages before that may have ended after their last ID; how far after, only the sidecar knows."""
    for read, page in _before(listing):
        if page.partial:
            yield read, page
        if page.ids:
            return


def _before(listing: Listing) -> Iterator[tuple[Read, Page]]:
    """Yield the pages before, the last first."""
    read = listing.before
    while read is not None:
        assert isinstance(read.question, Listing)
        assert isinstance(read.answer, Page)
        yield read, read.answer
        read = read.question.before


def _says(listing: Listing, page: Page, id_: str) -> bool:
    """Return whether a page says of an ID that it is allowed, or that it is not."""
    last = last_id_before(listing)
    # Where the page before ended early, the begin of this one is unknown, but not after its own first ID.
    begun = not any(ended_early(listing)) or (page.ids and id_ >= page.ids[0])
    ended = page.token and id_ > (page.ids[-1] if page.ids else last)
    return bool(id_ > last and begun and not ended)
