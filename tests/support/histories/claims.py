"""The checker: which of the claims of docs/consistency.md does a history break?

A pure function of what clients recorded and of the states that the feed reports afterwards. Claims about answers are
about Checks and about each page of a list.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import TypeAlias

from support.histories.evidence import Evidence, History
from support.histories.listed import ended_early, last_id_before
from support.histories.record import Answer, Listing, Mode, Operation, Outcome, Page, Read, Write
from support.histories.timeline import State
from support.histories.truth import UNKNOWN_TENANT


@dataclass(frozen=True, slots=True)
class Broken:
    """A claim that does not hold, and the operation that shows it."""

    claim: str
    operation: Operation | State
    detail: str


def broken_claims(history: History) -> list[Broken]:
    """Return every claim that the history breaks, with the operation that shows it."""
    found: list[Broken] = []
    for tenant, timeline in history.timelines.items():
        operations = [operation for operation in history.operations if operation.tenant == tenant]
        reads = [it for it in operations if isinstance(it, Read) and it.answer is not None]
        writes = [it for it in operations if isinstance(it, Write)]
        evidence = Evidence(timeline, reads, writes, history)
        for claim in CLAIMS:
            found += (Broken(claim.__name__, operation, detail) for operation, detail in claim(evidence))
    return found


Found: TypeAlias = Iterator[tuple[Operation | State, str]]


def every_answer_is_explained(evidence: Evidence) -> Found:
    """Some state that was there, and that the read's demand admits, gives this answer."""
    for read, answer in _answered(evidence):
        floor, states = evidence.floor(read), evidence.timeline.states
        named = evidence.position_of(read)
        if (
            named >= floor
            and evidence.earliest[named] <= read.answered_at
            and evidence.agrees(states[named], read, answer)
        ):
            continue
        there = [position for position in range(floor, len(states)) if evidence.earliest[position] <= read.answered_at]
        if not any(evidence.agrees(states[position], read, answer) for position in there):
            yield read, f"none of the {len(there)} states from {floor} on gives this answer"


def the_revision_is_the_one_that_decided(evidence: Evidence) -> Found:
    """The state of the revision in the answer gives this answer, and existed when the answer arrived."""
    for read, answer in _answered(evidence):
        position = evidence.position_of(read)
        if position < 0:
            yield read, "no such revision ever was"
        elif not evidence.agrees(evidence.timeline.states[position], read, answer):
            yield read, f"state {position} does not give this answer"
        elif evidence.earliest[position] > read.answered_at:
            yield read, f"state {position} was not there yet"


def the_rules_are_those_that_were_loaded(evidence: Evidence) -> Found:
    """The policy digest is of a pack that a sidecar was given."""
    for read, answer in _answered(evidence):
        if answer.digest not in evidence.truths and (answer.allowed, answer.reason) != UNKNOWN_TENANT:
            yield read, f"no pack has the digest `{answer.digest}`"


def a_token_is_honoured(evidence: Evidence) -> Found:
    """An answer to a token is from its revision or a later one."""
    for read in evidence.reads:
        wanted, position = evidence.position(read.demand.token), evidence.position_of(read)
        if read.demand.mode is Mode.AT_LEAST_AS_FRESH and position < wanted:
            yield read, f"state {position} is older than state {wanted}, which the token names"


def a_token_holder_never_goes_back(evidence: Evidence) -> Found:
    """A client that sends the last token it received is never answered from an older state than before."""
    held: dict[str, tuple[str, int]] = {}
    for operation in sorted([*evidence.reads, *evidence.writes], key=lambda it: it.asked):
        answer = operation.answer if isinstance(operation, Read) else operation
        if not answer or not answer.revision:
            continue
        token, reached = held.get(operation.session, ("", 0))
        position = evidence.position(answer.revision)
        carries = isinstance(operation, Read) and token and token in _carried(operation)
        if carries and position < reached:
            yield operation, f"state {position} after state {reached}"
        held[operation.session] = answer.revision, max(position, reached if carries else 0)


def a_sidecar_never_goes_back(evidence: Evidence) -> Found:
    """A sidecar answers from no older state than it has answered from before the question was asked."""
    by_process: defaultdict[str, list[Read]] = defaultdict(list)
    for read in evidence.reads:
        by_process[read.process].append(read)
    for reads in by_process.values():
        reads.sort(key=lambda read: read.answered_at)
        times = [read.answered_at for read in reads]
        reached = [*accumulate((evidence.position_of(read) for read in reads), max)]
        for read in reads:
            before = bisect_left(times, read.asked)
            if before and evidence.position_of(read) < reached[before - 1]:
                yield read, f"state {evidence.position_of(read)} after state {reached[before - 1]}"


def full_consistency_sees_what_was_acknowledged(evidence: Evidence) -> Found:
    """A fully consistent answer reflects every state that any client received an answer from before the question."""
    for read in evidence.reads:
        known, position = evidence.known_at(read.asked), evidence.position_of(read)
        if read.demand.mode is Mode.FULLY_CONSISTENT and position < known:
            yield read, f"state {position}, while state {known} was acknowledged before"


def no_answer_is_staler_than_the_bound(evidence: Evidence) -> Found:
    """The state that answers was current at some time within the bound before the question."""
    for read in evidence.reads:
        bound = min(evidence.bound, inf if read.demand.bound is None else read.demand.bound)
        position = evidence.position_of(read)
        if position < evidence.known_at(read.asked - bound):
            age = read.asked - evidence.latest[position + 1]
            yield read, f"state {position} was past for {age:.3f} s already; the bound is {bound} s"


def a_batch_is_of_one_state(evidence: Evidence) -> Found:
    """All answers to one BatchCheck about a tenant are from the same state and the same rules."""
    first: dict[str, Answer | Page] = {}
    for read, answer in _answered(evidence):
        if read.batch:
            other = first.setdefault(read.batch, answer)
            if (answer.revision, answer.digest) != (other.revision, other.digest):
                yield read, f"state {evidence.position_of(read)} beside state {evidence.position(other.revision)}"


def a_page_is_never_older_than_the_one_before(evidence: Evidence) -> Found:
    """A page that a token led to is from the revision of the page with that token, or a later one."""
    for read, listing, _ in _pages(evidence):
        if listing.before is not None and evidence.position_of(read) < evidence.position_of(listing.before):
            yield read, f"state {evidence.position_of(read)} after state {evidence.position_of(listing.before)}"


def a_page_is_full_or_says_why_not(evidence: Evidence) -> Found:
    """A page is as long as asked for, or the last, or it says that it ended early; and then it is not the last."""
    for read, listing, page in _pages(evidence):
        if len(page.ids) > listing.size or (page.token and not page.partial and len(page.ids) < listing.size):
            yield read, f"{len(page.ids)} IDs, where the page size is {listing.size}"
        elif page.partial and not page.token:
            yield read, "it ended early, and nothing leads on"


def nothing_is_lost_between_pages(evidence: Evidence) -> Found:
    """An ID that no page lists, between the last ID of one and the first of the next, was denied in a state of them."""
    for read, listing, page in _pages(evidence):
        early = [before for before, _ in ended_early(listing)]
        if early and (page.ids or not page.token):
            allowed = set.intersection(*(evidence.allowed(one) for one in (read, *early)))
            lost = {id_ for id_ in allowed if id_ > last_id_before(listing) and not (page.ids and id_ >= page.ids[0])}
            if lost:
                yield read, f"{sorted(lost)} on none of {len(early) + 1} pages, and allowed by all of their states"


def what_was_acknowledged_is_kept(evidence: Evidence) -> Found:
    """The revision in the answer to a write is in the feed, and its state has the effect of the write."""
    for write in evidence.writes:
        if write.outcome is Outcome.ACKNOWLEDGED:
            position = evidence.position(write.revision)
            if position < 0:
                yield write, "its revision is not in the feed"
            elif not write.effect.holds(evidence.timeline.states[position].entries):
                yield write, f"its effect is not in state {position}"


def nothing_happens_unasked(evidence: Evidence) -> Found:
    """Each state after the set-up was made by a write of its own that was acknowledged, or may have been."""
    lost = Counter(_named(write) for write in evidence.writes if write.outcome is Outcome.UNKNOWN)
    for position in range(evidence.settled + 1, len(evidence.timeline.states)):
        makers = [*evidence.makers(position)]
        if any(write.outcome is Outcome.ACKNOWLEDGED for write in makers):
            continue
        name = next((name for name in map(_named, makers) if lost[name]), None)
        if name is None:
            yield evidence.timeline.states[position], "no write asked for this"
        lost[name] -= 1


CLAIMS: Sequence[Callable[[Evidence], Found]] = (
    every_answer_is_explained,
    the_revision_is_the_one_that_decided,
    the_rules_are_those_that_were_loaded,
    a_token_is_honoured,
    a_token_holder_never_goes_back,
    a_sidecar_never_goes_back,
    full_consistency_sees_what_was_acknowledged,
    no_answer_is_staler_than_the_bound,
    a_batch_is_of_one_state,
    a_page_is_never_older_than_the_one_before,
    a_page_is_full_or_says_why_not,
    nothing_is_lost_between_pages,
    what_was_acknowledged_is_kept,
    nothing_happens_unasked,
)


def _answered(evidence: Evidence) -> Iterator[tuple[Read, Answer | Page]]:
    for read in evidence.reads:
        if read.answer is not None:
            yield read, read.answer


def _pages(evidence: Evidence) -> Iterator[tuple[Read, Listing, Page]]:
    for read in evidence.reads:
        if isinstance(read.question, Listing) and isinstance(read.answer, Page):
            yield read, read.question, read.answer


def _carried(read: Read) -> set[str]:
    """Return the tokens that a read carries; a page token names the revision of the page before."""
    listing = read.question
    before = listing.before.answer if isinstance(listing, Listing) and listing.before else None
    return {read.demand.token, before.revision if before else ""}


def _named(write: Write) -> tuple[object, ...]:
    after = write.effect.after
    return write.effect.entry, None if after is None else repr(sorted(after.items()))
