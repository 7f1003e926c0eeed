"""The checker: which of the claims of docs/consistency.md does a history break?

A pure function of what clients recorded and of the states that the feed tells afterwards. When a state came into being
is known from both ends: not before a write that can have made it was asked for, and not after anyone was told its
revision or a later one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import TypeAlias

from support.histories.record import Answer, EntryKey, Mode, Operation, Outcome, Read, Write
from support.histories.timeline import State, Timeline
from support.histories.truth import UNKNOWN_TENANT, Truth


@dataclass(frozen=True, slots=True)
class Broken:
    """A claim that does not hold, and the operation that shows it."""

    claim: str
    operation: Operation | State
    detail: str


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a run; `truths` tells what is right by each policy digest, `bound` is the servers' own."""

    operations: Sequence[Operation]
    timelines: Mapping[str, Timeline]
    truths: Mapping[str, Truth]
    bound: float


def broken_claims(history: History) -> list[Broken]:
    """Return every claim that the history breaks, with the operation that shows it."""
    found: list[Broken] = []
    for tenant, timeline in history.timelines.items():
        operations = [operation for operation in history.operations if operation.tenant == tenant]
        reads = [it for it in operations if isinstance(it, Read) and it.answer is not None]
        writes = [it for it in operations if isinstance(it, Write)]
        facts = _Facts(timeline, reads, writes, history)
        for claim in CLAIMS:
            found += (Broken(claim.__name__, operation, detail) for operation, detail in claim(facts))
    return found


class _Facts:
    """What a history says of one tenant: `earliest` and `latest` are when each state can have come into being."""

    def __init__(self, timeline: Timeline, reads: Sequence[Read], writes: Sequence[Write], history: History) -> None:
        self.timeline = timeline
        self.reads = reads
        self.writes = writes
        self.truths = history.truths
        self.bound = history.bound
        self.settled = max(0, self.position(timeline.settled))
        self._by_entry: defaultdict[EntryKey, list[Write]] = defaultdict(list)
        for write in writes:
            self._by_entry[write.effect.entry].append(write)
        self.earliest = list(accumulate(map(self._asked_for, range(len(timeline.states))), max))
        self.latest = list(reversed([*accumulate(reversed(self._told()), min)]))

    def position(self, revision: str) -> int:
        """Return the place of a revision; -1 of one that never was."""
        return self.timeline.positions.get(revision, -1)

    def known_at(self, moment: float) -> int:
        """Return the place of the newest state that was surely there before a moment."""
        return max(0, bisect_left(self.latest, moment) - 1)

    def floor(self, read: Read) -> int:
        """Return the place of the oldest state that may answer a read."""
        demand = read.demand
        bound = min(self.bound, inf if demand.bound is None else demand.bound)
        floor = self.known_at(read.asked - bound)
        if demand.mode is Mode.FULLY_CONSISTENT:
            floor = max(floor, self.known_at(read.asked))
        if demand.mode is Mode.AT_LEAST_AS_FRESH:
            floor = max(floor, self.position(demand.token))
        return floor

    def agrees(self, state: State, read: Read, answer: Answer) -> bool:
        """Return whether an answer is what is right in a state, by the rules that it says it was made by."""
        verdict = answer.allowed, answer.reason
        if verdict == UNKNOWN_TENANT and not answer.digest:
            return ("tenant", ()) not in state.entries
        truth = self.truths.get(answer.digest)
        return truth is not None and truth(state, read.question) == verdict

    def makers(self, place: int) -> Iterator[Write]:
        """Yield the writes that can have made a state; none made those of the set-up."""
        state = self.timeline.states[place]
        for entry in state.touched if place > self.settled else ():
            for write in self._by_entry[entry]:
                told = write.outcome is Outcome.ACKNOWLEDGED and write.revision == state.revision
                if (told or write.outcome is Outcome.UNKNOWN) and state.made_by(write.effect):
                    yield write

    def _asked_for(self, place: int) -> float:
        return min((write.asked for write in self.makers(place)), default=-inf)

    def _told(self) -> list[float]:
        told = [-inf, *[inf] * (len(self.timeline.states) - 1)]
        tellers: Iterable[tuple[str, float]] = [
            *((write.revision, write.told) for write in self.writes if write.outcome is Outcome.ACKNOWLEDGED),
            *((read.answer.revision, read.told) for read in self.reads if read.answer),
        ]
        for revision, moment in tellers:
            place = self.position(revision)
            if place > 0:
                told[place] = min(told[place], moment)
        return told


Found: TypeAlias = Iterator[tuple[Operation | State, str]]


def every_answer_is_explained(facts: _Facts) -> Found:
    """Some state that was there, and that the read's demand admits, gives this answer."""
    for read, answer in _answered(facts):
        floor, states = facts.floor(read), facts.timeline.states
        named = facts.position(answer.revision)
        if named >= floor and facts.earliest[named] <= read.told and facts.agrees(states[named], read, answer):
            continue
        there = [place for place in range(floor, len(states)) if facts.earliest[place] <= read.told]
        if not any(facts.agrees(states[place], read, answer) for place in there):
            yield read, f"none of the {len(there)} states from {floor} on gives this answer"


def the_revision_is_the_one_that_decided(facts: _Facts) -> Found:
    """The state of the revision in the answer gives this answer, and was there when it was told."""
    for read, answer in _answered(facts):
        place = facts.position(answer.revision)
        if place < 0:
            yield read, "no such revision ever was"
        elif not facts.agrees(facts.timeline.states[place], read, answer):
            yield read, f"state {place} does not give this answer"
        elif facts.earliest[place] > read.told:
            yield read, f"state {place} was not there yet"


def the_rules_are_those_that_were_loaded(facts: _Facts) -> Found:
    """The policy digest is of a pack that a sidecar was given."""
    for read, answer in _answered(facts):
        if answer.digest not in facts.truths and (answer.allowed, answer.reason) != UNKNOWN_TENANT:
            yield read, f"no pack has the digest `{answer.digest}`"


def a_token_is_honoured(facts: _Facts) -> Found:
    """An answer to a token is from its revision or a later one."""
    for read, answer in _answered(facts):
        wanted, place = facts.position(read.demand.token), facts.position(answer.revision)
        if read.demand.mode is Mode.AT_LEAST_AS_FRESH and place < wanted:
            yield read, f"state {place} is older than state {wanted}, which the token stands for"


def a_token_holder_never_goes_back(facts: _Facts) -> Found:
    """Who carries the token that it was told last is never answered from an older state than before."""
    held: dict[str, tuple[str, int]] = {}
    for operation in sorted([*facts.reads, *facts.writes], key=lambda it: it.asked):
        told = operation.answer if isinstance(operation, Read) else operation
        if not told or not told.revision:
            continue
        token, reached = held.get(operation.session, ("", 0))
        place = facts.position(told.revision)
        carries = isinstance(operation, Read) and token and operation.demand.token == token
        if carries and place < reached:
            yield operation, f"state {place} after state {reached}"
        held[operation.session] = told.revision, max(place, reached if carries else 0)


def a_sidecar_never_goes_back(facts: _Facts) -> Found:
    """A sidecar answers from no older state than it has answered from before the question was asked."""
    by_process: defaultdict[str, list[Read]] = defaultdict(list)
    for read in facts.reads:
        by_process[read.process].append(read)
    for reads in by_process.values():
        reads.sort(key=lambda read: read.told)
        moments = [read.told for read in reads]
        reached = [*accumulate((_place(facts, read) for read in reads), max)]
        for read in reads:
            before = bisect_left(moments, read.asked)
            if before and _place(facts, read) < reached[before - 1]:
                yield read, f"state {_place(facts, read)} after state {reached[before - 1]}"


def full_consistency_sees_what_was_acknowledged(facts: _Facts) -> Found:
    """A fully consistent answer reflects every state that anyone was told of before the question."""
    for read, answer in _answered(facts):
        known, place = facts.known_at(read.asked), facts.position(answer.revision)
        if read.demand.mode is Mode.FULLY_CONSISTENT and place < known:
            yield read, f"state {place}, while state {known} was acknowledged before"


def no_answer_is_staler_than_the_bound(facts: _Facts) -> Found:
    """The state that answers was current at some moment within the bound before the question."""
    for read, answer in _answered(facts):
        bound = min(facts.bound, inf if read.demand.bound is None else read.demand.bound)
        place = facts.position(answer.revision)
        if place < facts.known_at(read.asked - bound):
            age = read.asked - facts.latest[place + 1]
            yield read, f"state {place} was past for {age:.3f} s already; the bound is {bound} s"


def what_was_acknowledged_is_kept(facts: _Facts) -> Found:
    """The revision that a write was told is in the feed, and what the write was to bring about holds there."""
    for write in facts.writes:
        if write.outcome is Outcome.ACKNOWLEDGED:
            place = facts.position(write.revision)
            if place < 0:
                yield write, "its revision is not in the feed"
            elif not write.effect.holds(facts.timeline.states[place].entries):
                yield write, f"its effect is not in state {place}"


def nothing_happens_unasked(facts: _Facts) -> Found:
    """Each state after the set-up was made by a write of its own that was acknowledged, or may have been."""
    lost = Counter(_named(write) for write in facts.writes if write.outcome is Outcome.UNKNOWN)
    for place in range(facts.settled + 1, len(facts.timeline.states)):
        makers = [*facts.makers(place)]
        if any(write.outcome is Outcome.ACKNOWLEDGED for write in makers):
            continue
        name = next((name for name in map(_named, makers) if lost[name]), None)
        if name is None:
            yield facts.timeline.states[place], "no write asked for this"
        lost[name] -= 1


CLAIMS: Sequence[Callable[[_Facts], Found]] = (
    every_answer_is_explained,
    the_revision_is_the_one_that_decided,
    the_rules_are_those_that_were_loaded,
    a_token_is_honoured,
    a_token_holder_never_goes_back,
    a_sidecar_never_goes_back,
    full_consistency_sees_what_was_acknowledged,
    no_answer_is_staler_than_the_bound,
    what_was_acknowledged_is_kept,
    nothing_happens_unasked,
)


def _answered(facts: _Facts) -> Iterator[tuple[Read, Answer]]:
    for read in facts.reads:
        if read.answer is not None:
            yield read, read.answer


def _place(facts: _Facts, read: Read) -> int:
    return facts.position(read.answer.revision) if read.answer else -1


def _named(write: Write) -> tuple[object, ...]:
    after = write.effect.after
    return write.effect.entry, None if after is None else repr(sorted(after.items()))
