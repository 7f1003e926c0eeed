"""The answers: a decision with its reason, or a page of a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sidegate.model.properties import NO_PROPERTIES, Properties
from sidegate.model.revision import NO_REVISION, Revision


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
    """What the enforcement point must or can do in addition, such as `step_up_mfa`."""

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
    """A page of a list: all that is allowed among the IDs after a cursor, up to another, by ID.

    `reached` is the last ID that was evaluated, None at the end of the list. `reason` says why nothing can be allowed
    where that is known before any rule is evaluated, and `rule` is the rule that says so.
    """

    found: tuple[Allowed, ...] = ()
    reached: str | None = None
    partial: PartialReason | None = None
    reason: str = ""
    rule: str = ""
    policy_digest: str = ""
    revision: Revision = NO_REVISION
