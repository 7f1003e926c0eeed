"""The values that all rooms share: what is asked, what is answered, and the facts it is answered from.

References name a thing with its type: `member:uma`, `group:sales`, `template:nda`, `tenant:acme`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Properties: TypeAlias = Mapping[str, Json]
Row: TypeAlias = tuple[str, ...]
"""A policy line with its section first: `("p", "admin", …)`, `("g", "member:uma", "admin", "tenant:acme")`."""
MatchFunction: TypeAlias = Callable[..., object]

NO_PROPERTIES: Properties = MappingProxyType({})
EVERYWHERE = "*"
"""The domain of links that hold in every scope: who belongs to which group."""
ANY = "*"
"""The resource ID that asks about a type as a whole."""


def ref(type_: str, id_: str) -> str:
    """Return the reference of a thing: `ref("group", "sales")` is `group:sales`."""
    return f"{type_}:{id_}"


def split_ref(reference: str) -> tuple[str, str]:
    """Return type and ID of a reference; the ID may hold colons, the type may not."""
    type_, _, id_ = reference.partition(":")
    return type_, id_


# --- when it is ---------------------------------------------------------------------------------

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a tenant: the number of the write that made it, and its time in microseconds since 1970 (UTC).

    Both grow with every write. A store that was restored gives numbers out again, but no time comes back: only the two
    together name one state.
    """

    number: int = 0
    time: int = 0

    @classmethod
    def made(cls, number: int, at: datetime | None) -> Revision:
        """Return the revision of a number that was made at a moment; None where its change is not kept any more."""
        return cls(number, 0 if at is None else (at - _EPOCH) // _MICROSECOND)


NO_REVISION: Final = Revision()
"""The revision of a tenant that is not there."""


# --- what is asked -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks; `properties` are claims that no stored fact yields to."""

    id: str
    type: str = "member"
    properties: Properties = field(default_factory=lambda: NO_PROPERTIES)


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked about; the ID `*` asks about the type as a whole."""

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

    `patience` is how many seconds its asker waits for an answer, None where that is not known.
    """

    tenant: str
    subject: Subject
    action: str
    resource: Resource
    context: Properties = field(default_factory=lambda: NO_PROPERTIES)
    consistency: Consistency = DEFAULT_CONSISTENCY
    id: str = ""
    patience: float | None = None


# --- what is answered ----------------------------------------------------------------------------


class Reason(StrEnum):
    """The stable codes of why a decision is what it is; a pack may add codes of its own."""

    ALLOWED_BY_RULE = "allowed_by_rule"
    DENIED_BY_RULE = "denied_by_rule"
    NO_MATCHING_RULE = "no_matching_rule"
    TENANT_UNKNOWN = "tenant_unknown"
    TENANT_SUSPENDED = "tenant_suspended"
    NOT_A_MEMBER = "not_a_member"
    MEMBER_PENDING = "member_pending"
    MEMBER_INACTIVE = "member_inactive"
    MFA_REQUIRED = "mfa_required"
    QUOTA_EXHAUSTED = "quota_exhausted"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_RESOURCE_TYPE = "unknown_resource_type"


@dataclass(frozen=True, slots=True)
class Obligation:
    """What the enforcement point must or can do besides, such as `step_up_mfa`."""

    id: str
    parameters: Properties = field(default_factory=lambda: NO_PROPERTIES)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a Request; only `allowed` is True where an allow rule decided."""

    allowed: bool
    reason: str
    rule: str = ""
    policy_digest: str = ""
    revision: Revision = NO_REVISION
    obligations: tuple[Obligation, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine says: `rule` is the row that decided, without its section; None where no row matched."""

    allowed: bool
    rule: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """One that a list found: a resource's or subject's ID, or an action, and the ID of the rule that allows it."""

    id: str
    rule: str


class PartialReason(StrEnum):
    """Why a page of a list ended before it was full."""

    TIME_SPENT = "time_spent"
    FACTS_CHANGED = "facts_changed"


@dataclass(frozen=True, slots=True)
class AllowedPage:
    """A page of a list: all that is allowed of what comes after one place and until another, by ID.

    `reached` is the place until which was looked, None where that is the end. `reason` says why nothing can be allowed
    where that is clear before any rule is asked, `rule` the rule that says so.
    """

    found: tuple[Allowed, ...] = ()
    reached: str | None = None
    partial: PartialReason | None = None
    reason: str = ""
    rule: str = ""
    policy_digest: str = ""
    revision: Revision = NO_REVISION


# --- role links that belong to one evaluation ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoleLinks:
    """Links of `g` that one evaluation sees beside those of its program, such as a document's grants.

    `by_domain` maps domain -> holder -> roles. Links of the program hold beside them.
    """

    by_domain: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, links: Iterable[tuple[str, str, str]]) -> RoleLinks:
        """Build from (holder, role, domain) triples."""
        domains: dict[str, dict[str, tuple[str, ...]]] = {}
        for holder, role, domain in links:
            holders = domains.setdefault(domain, {})
            holders[holder] = (*holders.get(holder, ()), role)
        return cls(domains)

    def triples(self) -> Iterable[tuple[str, str, str]]:
        """Yield (holder, role, domain) of each link."""
        for domain, holders in self.by_domain.items():
            for holder, roles in holders.items():
                for role in roles:
                    yield holder, role, domain


NO_LINKS = RoleLinks()


# --- the facts -----------------------------------------------------------------------------------


class MemberStatus(StrEnum):
    """Whether a member can be allowed anything (EL-06, EL-07, EL-08)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Member:
    """An account in a tenant; `quota` is None where none was ever set."""

    id: str
    status: MemberStatus = MemberStatus.ACTIVE
    name: str = ""
    email: str = ""
    mfa: bool = False
    quota: int | None = None
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A team, division or department; `members` are references to members and groups inside it."""

    id: str
    name: str = ""
    members: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CustomRole:
    """A role that a tenant made: resource type -> actions it allows."""

    name: str
    permissions: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class StoredResource:
    """A registered resource; `parents` are references, at most one of each type."""

    type: str
    id: str
    parents: frozenset[str] = frozenset()
    properties: Properties = field(default_factory=lambda: NO_PROPERTIES)

    @property
    def ref(self) -> str:
        """The resource's reference."""
        return ref(self.type, self.id)


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A role held on a scope; ownership is a grant of the role `owner`. `scope` and `holder` are references."""

    role: str
    scope: str
    holder: str


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """All that is stored about one tenant; `pack` is "" where the server's default decides.

    Nobody in a suspended tenant is allowed anything.
    """

    id: str
    pack: str = ""
    settings: Properties = field(default_factory=lambda: NO_PROPERTIES)
    members: Mapping[str, Member] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    roles: Mapping[str, CustomRole] = field(default_factory=dict)
    resources: Mapping[str, StoredResource] = field(default_factory=dict)
    grants: frozenset[Grant] = frozenset()
    suspended: bool = False


class Entity(StrEnum):
    """The kinds of stored things that a change can touch."""

    TENANT = "tenant"
    MEMBER = "member"
    GROUP = "group"
    GROUP_MEMBER = "group_member"
    ROLE = "role"
    RESOURCE = "resource"
    GRANT = "grant"
    INVITATION = "invitation"


class Cause(StrEnum):
    """Why a member's quota changed; what is not said was set by hand, shared out, or applied with a document."""

    UNSAID = ""
    CONSUMED = "consumed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Change:
    """One stored thing made (`before` None), altered, or removed (`after` None); both are plain JSON objects."""

    entity: Entity
    key: tuple[str, ...]
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None
    cause: Cause = Cause.UNSAID


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change as the feed tells it; `sequence` only grows, across all tenants, and `revision` is a number."""

    sequence: int
    tenant: str
    revision: int
    change: Change
    actor: str
    at: datetime

    @property
    def part_of(self) -> Revision:
        """The revision that it belongs to."""
        return Revision.made(self.revision, self.at)
