"""Combines the effects of the matching rules, in their order, until one of them decides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sidegate.engine.casbin.model import Combination
from sidegate.engine.index.steps import IndexedRule, Values
from sidegate.engine.language.compiler import Closure
from sidegate.engine.roles.resolver import RoleResolver
from sidegate.errors import EvaluationError
from sidegate.model.rules import Answer

_STOPS_AT_ALLOW = frozenset({Combination.ALLOW_OVERRIDE, Combination.PRIORITY, Combination.SUBJECT_PRIORITY})

_UNMATCHED = (Answer(False), Answer(True))


class EffectCombiner:
    """Combines effects: `effect_column` is the position of a rule's effect, None where every rule allows."""

    __slots__ = ("_allow_ends", "_deny_ends", "_effect_column", "_otherwise")

    def __init__(self, combination: Combination, effect_column: int | None) -> None:
        self._allow_ends = combination in _STOPS_AT_ALLOW
        self._deny_ends = combination is not Combination.ALLOW_OVERRIDE
        self._otherwise = combination is Combination.DENY_OVERRIDE
        self._effect_column = effect_column

    def combine(
        self, entries: Iterable[IndexedRule], verify: Closure | None, request: Values, resolver: RoleResolver
    ) -> Answer:
        """Verify rules in their order and stop at the first that decides; the last that matched is the explanation.

        Raises:
            EvaluationError: the matcher's value is neither a truth value nor a float.
        """
        column = self._effect_column
        allowed, last = self._otherwise, None
        for _, values, compiled in entries:
            if verify is not None:
                result = verify(request, values, compiled, resolver)
                if result is False or (result is not True and not _matches(result)):
                    continue
            last = values
            if column is None or values[column] == "allow":
                if self._allow_ends:
                    return Answer(True, values)
                allowed = True
            elif self._deny_ends:
                return Answer(False, values)
        return Answer(allowed, last) if last is not None else _UNMATCHED[allowed]


def _matches(result: Any) -> bool:
    """Return whether a matcher's value that is not a bool is a match, as in Casbin."""
    if isinstance(result, float):
        return result != 0
    raise EvaluationError(f"the matcher's value must be a truth value, not of type `{type(result).__name__}`")
