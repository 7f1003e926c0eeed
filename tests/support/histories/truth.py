"""What is right in a state, decided without the engine: plain lookups for the few rules that histories use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from support.histories.record import Listing, Part, Question
from support.histories.timeline import State

Verdict: TypeAlias = tuple[bool, str]
"""Whether it is allowed, and the reason."""

UNKNOWN_TENANT: Verdict = (False, "tenant_unknown")
ALLOWED: Verdict = (True, "allowed_by_rule")
NO_RULE: Verdict = (False, "no_matching_rule")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the allow rules of a pack say: what a role allows on the tenant, and what on the resource it is held on."""

    on_tenant: Mapping[str, frozenset[str]]
    on_resource: Mapping[str, frozenset[str]]

    def __call__(self, state: State, question: Question) -> Verdict:
        """Decide a question in a state."""
        if ("tenant", ()) not in state.entries:
            return UNKNOWN_TENANT
        refusal = refused(state, question.subject)
        if refusal:
            return False, refusal
        holders = _holders(state, f"member:{question.subject}")
        return ALLOWED if any(self._allows(state, question, holder) for holder in holders) else NO_RULE

    def candidates(self, state: State, listing: Listing) -> Collection[str]:
        """Return the IDs that exist in a state and are possible values for the part that a list leaves open."""
        match listing.part:
            case Part.ACTION:
                named = frozenset().union(*self.on_tenant.values(), *self.on_resource.values())
                return {action for type_, _, action in (rule.partition(":") for rule in named) if type_ == listing.type}
            case Part.RESOURCE if listing.type != "member":
                there = (key[0].partition(":") for kind, key in state.entries if kind == "resource")
                return {id_ for type_, _, id_ in there if type_ == listing.type}
            case _:
                return {key[0] for kind, key in state.entries if kind == "member"}

    def _allows(self, state: State, question: Question, holder: str) -> bool:
        action = f"{question.resource.partition(':')[0]}:{question.action}"
        for kind, key in state.entries:
            if kind != "grant" or key[2] != holder:
                continue
            role, scope, _ = key
            if scope == question.resource and action in self.on_resource.get(role, ()):
                return True
            if scope.startswith("tenant:") and action in self.on_tenant.get(role, _custom(state, role)):
                return True
        return False


def refused(state: State, subject: str) -> str:
    """Return why a subject may do nothing at all, "" where it may."""
    member = state.entries.get(("member", (subject,)))
    if member is None:
        return "not_a_member"
    return "" if member["status"] == "active" else f"member_{member['status']}"


def _holders(state: State, member: str) -> set[str]:
    """Return the member and the groups that it is in, also by way of other groups."""
    holders, found = {member}, {member}
    while found:
        found = {
            f"group:{key[0]}" for kind, key in state.entries if kind == "group_member" and key[1] in found
        } - holders
        holders |= found
    return holders


def _custom(state: State, role: str) -> frozenset[str]:
    """Return what a role that the tenant made allows."""
    stored = state.entries.get(("role", (role,)), {}).get("permissions", {})
    assert isinstance(stored, dict)
    return frozenset(f"{type_}:{action}" for type_, actions in stored.items() for action in actions)
