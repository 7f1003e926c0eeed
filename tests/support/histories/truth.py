"""What is right in a state, told without the engine: a page of plain lookups, for the few rules that histories use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from support.histories.record import Question
from support.histories.timeline import State

Verdict: TypeAlias = tuple[bool, str]
"""Whether it is allowed, and the reason."""
Truth: TypeAlias = Callable[[State, Question], Verdict]

UNKNOWN_TENANT: Verdict = (False, "tenant_unknown")
ALLOWED: Verdict = (True, "allowed_by_rule")
NO_RULE: Verdict = (False, "no_matching_rule")


@dataclass(frozen=True, slots=True)
class Rules:
    """The allow rules of a pack: what a role allows on the tenant, and what on the resource it is held on."""

    on_tenant: Mapping[str, frozenset[str]]
    on_resource: Mapping[str, frozenset[str]]

    def __call__(self, state: State, question: Question) -> Verdict:
        """Decide a question in a state."""
        if ("tenant", ()) not in state.entries:
            return UNKNOWN_TENANT
        member = state.entries.get(("member", (question.subject,)))
        if member is None:
            return False, "not_a_member"
        if member["status"] != "active":
            return False, f"member_{member['status']}"
        holders = _holders(state, f"member:{question.subject}")
        return ALLOWED if any(self._allows(state, question, holder) for holder in holders) else NO_RULE

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
