"""What a history shows of one tenant: its reads and writes, and the earliest and latest time each state can have begun.

A state begins after the request of a write that can have made it, and before the first answer that names its revision
or a later one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf

from support.histories.listed import allowed_in, is_right
from support.histories.record import Answer, EntryKey, Listing, Mode, Operation, Outcome, Page, Read, Write
from support.histories.timeline import State, Timeline
from support.histories.truth import UNKNOWN_TENANT, Rules


@dataclass(frozen=True, slots=True)
class History:
    """The record of a run: `truths` holds the rules by policy digest, `bound` is the staleness bound of the servers."""

    operations: Sequence[Operation]
    timelines: Mapping[str, Timeline]
    truths: Mapping[str, Rules]
    bound: float


class Evidence:
    """What a history says of one tenant: `earliest` and `latest` are the times each state can have begun."""

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
        self.latest = list(reversed([*accumulate(reversed(self._latest_times()), min)]))

    def position(self, revision: str) -> int:
        """Return the position of a revision; -1 of one that never was."""
        return self.timeline.positions.get(revision, -1)

    def position_of(self, read: Read) -> int:
        """Return the position of the revision in the answer to a read, -1 where there is none."""
        return self.position(read.answer.revision) if read.answer else -1

    def known_at(self, time: float) -> int:
        """Return the position of the newest state that was surely current before a time."""
        return max(0, bisect_left(self.latest, time) - 1)

    def floor(self, read: Read) -> int:
        """Return the position of the oldest state that may answer a read."""
        demand = read.demand
        bound = min(self.bound, inf if demand.bound is None else demand.bound)
        floor = self.known_at(read.asked - bound)
        if demand.mode is Mode.FULLY_CONSISTENT:
            floor = max(floor, self.known_at(read.asked))
        if demand.mode is Mode.AT_LEAST_AS_FRESH:
            floor = max(floor, self.position(demand.token))
        if isinstance(read.question, Listing) and read.question.before is not None:
            floor = max(floor, self.position_of(read.question.before))
        return floor

    def agrees(self, state: State, read: Read, answer: Answer | Page) -> bool:
        """Return whether an answer is what is right in a state, by the rules that it says it was made by."""
        verdict = answer.allowed, answer.reason
        if verdict == UNKNOWN_TENANT and not answer.digest:
            return ("tenant", ()) not in state.entries
        rules = self.truths.get(answer.digest)
        if rules is None:
            return False
        if isinstance(answer, Page):
            return is_right(read.question, answer, state, rules)
        return rules(state, read.question) == verdict

    def allowed(self, read: Read) -> set[str]:
        """Return all IDs that are allowed by the rules and in the state that a page names, on any page."""
        position, rules = self.position_of(read), self.truths.get(read.answer.digest)
        return (
            set(allowed_in(self.timeline.states[position], read.question, rules)) if rules and position >= 0 else set()
        )

    def makers(self, position: int) -> Iterator[Write]:
        """Yield the writes that can have made a state; none made those of the set-up."""
        state = self.timeline.states[position]
        for entry in state.touched if position > self.settled else ():
            for write in self._by_entry[entry]:
                acknowledged = write.outcome is Outcome.ACKNOWLEDGED and write.revision == state.revision
                if (acknowledged or write.outcome is Outcome.UNKNOWN) and state.made_by(write.effect):
                    yield write

    def _asked_for(self, position: int) -> float:
        return min((write.asked for write in self.makers(position)), default=-inf)

    def _latest_times(self) -> list[float]:
        latest = [-inf, *[inf] * (len(self.timeline.states) - 1)]
        answers: Iterable[tuple[str, float]] = [
            *((write.revision, write.answered_at) for write in self.writes if write.outcome is Outcome.ACKNOWLEDGED),
            *((read.answer.revision, read.answered_at) for read in self.reads if read.answer),
        ]
        for revision, time in answers:
            position = self.position(revision)
            if position > 0:
                latest[position] = min(latest[position], time)
        return latest
