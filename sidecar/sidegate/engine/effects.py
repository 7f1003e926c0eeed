"""From the rules that match to one answer, in the order of the rules, as far as the effect needs to look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from sidegate.engine.closures import Closure
from sidegate.engine.definition import Combination
from sidegate.engine.evaluation import Evaluation
from sidegate.engine.steps import Entry, Values
from sidegate.errors import EvaluationError
from sidegate.model import Answer

Candidates: TypeAlias = Iterable[tuple[Closure | None, Entry]]
"""Rules in order, each with what is still to be verified; None where it matches for certain."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When an effect may stop, and what holds where no rule matched."""

    stops_at_allow: bool
    stops_at_deny: bool
    otherwise: bool


POLICIES: Final[Mapping[Combination, Policy]] = MappingProxyType(
    {
        Combination.ALLOW_OVERRIDE: Policy(True, False, False),
        Combination.DENY_OVERRIDE: Policy(False, True, True),
        Combination.ALLOW_AND_DENY: Policy(False, True, False),
        Combination.PRIORITY: Policy(True, True, False),
        Combination.SUBJECT_PRIORITY: Policy(True, True, False),
    }
)


def decide(
    candidates: Candidates, policy: Policy, effect_column: int | None, asked: tuple[Values, Evaluation]
) -> Answer:
    """Verify candidates in their order and combine the effects of those that match.

    Raises:
        EvaluationError: the matcher's value is neither a truth value nor a float.
    """
    request, evaluation = asked
    allowed = policy.otherwise
    last: tuple[str, ...] | None = None
    for residual, (_, values, compiled) in candidates:
        if residual is not None:
            result = residual(request, values, compiled, evaluation)
            if result is False or (result is not True and not _is_match(result)):
                continue
        last = values
        if effect_column is None or values[effect_column] == "allow":
            if policy.stops_at_allow:
                return Answer(True, last)
            allowed = True
        elif policy.stops_at_deny:
            return Answer(False, last)
    return Answer(allowed, last)


def _is_match(result: Any) -> bool:
    """Return whether a matcher's value that is no plain truth value counts, as Casbin counts it."""
    if isinstance(result, float):
        return result != 0
    raise EvaluationError(f"the matcher's value must be a truth value, not of type `{type(result).__name__}`")
