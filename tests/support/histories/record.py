"""What clients asked and what they were answered: the history that the claims are checked against.

Times are seconds of one monotonic clock, that of the process which all clients run in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

EntryKey: TypeAlias = tuple[str, tuple[str, ...]]
"""One stored thing: its kind, and its key in parts."""
Payload: TypeAlias = Mapping[str, object]


class Mode(StrEnum):
    """How fresh a reader wants its answer."""

    MINIMIZE_LATENCY = "minimize_latency"
    AT_LEAST_AS_FRESH = "at_least_as_fresh"
    FULLY_CONSISTENT = "fully_consistent"
    MAX_STALENESS = "max_staleness"


@dataclass(frozen=True, slots=True)
class Question:
    """May this member do this action on this resource?"""

    subject: str
    action: str
    resource: str


class Part(StrEnum):
    """What a list leaves open of a question."""

    SUBJECT = "subject"
    ACTION = "action"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the values that are allowed for the empty part of a question; `before` read the page before."""

    question: Question
    part: Part
    size: int = 50
    before: Read | None = None

    @classmethod
    def of(cls, question: Question, part: Part, size: int = 50) -> Listing:
        """Return the first page of the list of all values that are allowed for a part of a question."""
        return cls(cls(question, part).about(""), part, size)

    def about(self, id_: str) -> Question:
        """Return the question with an ID as its empty part."""
        value = f"{self.type}:{id_}" if self.part is Part.RESOURCE else id_
        return replace(self.question, **{self.part: value})

    @property
    def type(self) -> str:
        """The type of the resource that is asked about."""
        return self.question.resource.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Demand:
    """The consistency that a reader asked for: `token` goes with AT_LEAST_AS_FRESH, `bound` with MAX_STALENESS."""

    mode: Mode = Mode.MINIMIZE_LATENCY
    token: str = ""
    bound: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision, and from which rules and which revision it was made."""

    allowed: bool
    reason: str
    revision: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The IDs on a page, and what it was made from; `token` leads to the next, `partial` says that it ended early."""

    ids: tuple[str, ...]
    reason: str
    revision: str
    digest: str = ""
    token: str = ""
    partial: bool = False

    @property
    def allowed(self) -> bool:
        """Whether anything is."""
        return bool(self.ids)


@dataclass(frozen=True, slots=True)
class Read:
    """A question, and its answer or why there was none; `process` is the sidecar's, another after each start.

    The answer to a list is a page. Questions of one BatchCheck have the same `batch`.
    """

    session: str
    process: str
    tenant: str
    question: Question | Listing
    asked: float
    answered_at: float
    demand: Demand = field(default_factory=Demand)
    answer: Answer | Page | None = None
    failure: str = ""
    batch: str = ""


class Outcome(StrEnum):
    """What a writer knows of its write."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a write is to bring about: the stored thing as it is then, None where it is to be removed.

    Of a thing that is there, only the fields that are named here count.
    """

    entry: EntryKey
    after: Payload | None

    def holds(self, entries: Mapping[EntryKey, Payload]) -> bool:
        """Return whether it is so in a state."""
        stored = entries.get(self.entry)
        if stored is None or self.after is None:
            return stored is None and self.after is None
        return all(stored.get(name) == value for name, value in self.after.items())


@dataclass(frozen=True, slots=True)
class Write:
    """A write, what it was to bring about, and how it ended; `revision` is of an acknowledged one."""

    session: str
    process: str
    tenant: str
    effect: Effect
    asked: float
    answered_at: float
    outcome: Outcome
    revision: str = ""
    failure: str = ""


Operation: TypeAlias = Read | Write
