"""The question of a Check: may a subject do an action on a resource, in a tenant."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sidegate.model.properties import NO_PROPERTIES, Properties
from sidegate.model.revision import NO_REVISION, Revision


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a question; `properties` are claims, which never override stored facts."""

    id: str
    type: str = "member"
    properties: Properties = field(default_factory=lambda: NO_PROPERTIES)


@dataclass(frozen=True, slots=True)
class Resource:
    """The resource of a question; the ID `*` asks about the type as a whole."""

    type: str
    id: str
    properties: Properties = field(default_factory=lambda: NO_PROPERTIES)


class Requirement(StrEnum):
    """How fresh the facts of a decision must be."""

    MINIMIZE_LATENCY = "minimize_latency"
    AT_LEAST_AS_FRESH = "at_least_as_fresh"
    FULLY_CONSISTENT = "fully_consistent"


@dataclass(frozen=True, slots=True)
class Consistency:
    """A freshness requirement; `revision` goes with AT_LEAST_AS_FRESH, `max_staleness` is in seconds."""

    requirement: Requirement = Requirement.MINIMIZE_LATENCY
    revision: Revision = NO_REVISION
    max_staleness: float | None = None


DEFAULT_CONSISTENCY = Consistency()


@dataclass(frozen=True, slots=True)
class Request:
    """One question, complete: may `subject` do `action` on `resource` in `tenant`; `id` becomes the decision's ID.

    `patience` is how many seconds the caller waits for an answer, None if unknown.
    """

    tenant: str
    subject: Subject
    action: str
    resource: Resource
    context: Properties = field(default_factory=lambda: NO_PROPERTIES)
    consistency: Consistency = DEFAULT_CONSISTENCY
    id: str = ""
    patience: float | None = None
