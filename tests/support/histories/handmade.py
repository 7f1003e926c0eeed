"""A history made by hand: one grant that comes, goes and comes again, and what may be read of it meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from support.histories.claims import broken_claims
from support.histories.evidence import History
from support.histories.record import (
    Answer,
    Demand,
    Effect,
    Listing,
    Mode,
    Operation,
    Outcome,
    Page,
    Part,
    Question,
    Read,
    Write,
)
from support.histories.timeline import State, Timeline
from support.histories.truth import Rules

TRUTHS = {"d": Rules({"admin": frozenset({"member:invite"})}, {"viewer": frozenset({"document:view"})})}
GRANT = ("grant", ("viewer", "document:d1", "member:bob"))
ANN = ("grant", ("admin", "tenant:acme", "member:ann"))
# Bob views d0 and d2 in every state, and d1 where it is granted.
BASE = {
    ("tenant", ()): {},
    **{("member", (id_,)): {"status": "active"} for id_ in ("ann", "bob")},
    **{("resource", (f"document:{id_}",)): {} for id_ in ("d0", "d1", "d2", "d3")},
    **{("grant", ("viewer", f"document:{id_}", "member:bob")): {} for id_ in ("d0", "d2")},
}
GRANTED, REVOKED = Effect(GRANT, {}), Effect(GRANT, None)
MAY_BOB_VIEW = Question("bob", "view", "document:d1")
BOUND = 1.0

# Revision r1 is the set-up, r2 grants, r3 revokes, r4 grants again.
STATES = (
    State(""),
    State("r1", BASE, frozenset(BASE)),
    State("r2", {**BASE, GRANT: {}}, frozenset({GRANT})),
    State("r3", BASE, frozenset({GRANT})),
    State("r4", {**BASE, GRANT: {}}, frozenset({GRANT})),
)


def write(effect: Effect, revision: str, asked: float, **other: object) -> Write:
    """Return an acknowledged write that took a tenth of a second."""
    made = Write("writer", "one", "acme", effect, asked, asked + 0.1, Outcome.ACKNOWLEDGED, revision)
    return replace(made, **other)


def read(revision: str, asked: float, *, allowed: bool, **other: object) -> Read:
    """Return an answered read that took a tenth of a second."""
    reason = "allowed_by_rule" if allowed else "no_matching_rule"
    answer = Answer(allowed, reason, revision, "d")
    return replace(Read("reader", "one", "acme", MAY_BOB_VIEW, asked, asked + 0.1, answer=answer), **other)


def listed(revision: str, asked: float, *ids: str, part: Part = Part.RESOURCE, **other: object) -> Read:
    """Return the read of a page that took a tenth of a second; `other` is of the page, the listing, or the read."""
    of_page = {name: other.pop(name) for name in ("reason", "digest", "token", "partial") if name in other}
    of_list = {name: other.pop(name) for name in ("size", "before") if name in other}
    page = Page(ids, **{"reason": "", "revision": revision, "digest": "d", **of_page})
    question = replace(Listing.of(MAY_BOB_VIEW, part), **of_list)
    return replace(Read("reader", "one", "acme", question, asked, asked + 0.1, answer=page), **other)


def at_least(token: str) -> Demand:
    """Return the demand of who carries a token."""
    return Demand(Mode.AT_LEAST_AS_FRESH, token)


FULLY = Demand(Mode.FULLY_CONSISTENT)
WRITES = (write(GRANTED, "r2", 1.0), write(REVOKED, "r3", 2.0), write(GRANTED, "r4", 5.0))
READS = (
    read("r1", 0.5, allowed=False),
    read("r2", 1.5, allowed=True, demand=at_least("r2")),
    read("r2", 2.05, allowed=True, demand=FULLY),
    read("r3", 2.2, allowed=False, process="two", demand=FULLY),
    read("r2", 2.9, allowed=True, process="three"),
    read("r3", 3.2, allowed=False, demand=Demand(Mode.MAX_STALENESS, bound=0.3)),
    read("r4", 5.05, allowed=True, session="other"),
    *(read("r3", 2.3, allowed=False, process="two", batch="all of one state") for _ in range(2)),
)
FIRST = listed("r2", 1.6, "d0", size=1, token="1")
SECOND = listed("r2", 1.62, "d1", size=1, token="2", before=FIRST)
EARLY = listed("r2", 1.66, "d0", token="1", partial=True)
EARLIER = listed("r2", 1.68, token="2", partial=True, before=EARLY)
# The page before is from before the grant: it may have ended after d1, which was denied then.
DENIED = listed("r1", 1.3, "d0", token="1", partial=True, process="four")
SKIPPED = listed("r2", 1.5, token="2", partial=True, process="four", before=DENIED)
LISTS = (
    listed("r1", 0.6, "d0", "d2"),
    listed("r1", 0.65, part=Part.SUBJECT),
    listed("r1", 0.7, part=Part.ACTION),
    listed("r2", 1.5, "d0", "d1", "d2", demand=at_least("r2")),
    listed("r2", 1.5, "bob", part=Part.SUBJECT),
    listed("r2", 1.5, "view", part=Part.ACTION),
    FIRST,
    SECOND,
    listed("r2", 1.64, "d2", size=1, before=SECOND),
    EARLY,
    EARLIER,
    listed("r2", 1.7, "d1", "d2", before=EARLIER),
    listed("r3", 2.25, "d2", process="two", before=EARLIER, demand=FULLY),
    DENIED,
    SKIPPED,
    listed("r2", 1.7, "d2", process="four", before=SKIPPED),
    listed("r2", 2.9, "d0", "d1", "d2", process="three"),
    listed("r3", 3.2, "d0", "d2", demand=Demand(Mode.MAX_STALENESS, bound=0.3)),
    listed("r4", 5.05, "d0", "d1", "d2", session="other"),
)
GOOD = (*WRITES, *READS, *LISTS)


def broken(operations: Sequence[Operation], states: Sequence[State] = STATES) -> set[str]:
    """Return the names of the claims that a history breaks."""
    history = History(operations, {"acme": Timeline(states, settled="r1")}, TRUTHS, BOUND)
    return {it.claim for it in broken_claims(history)}
