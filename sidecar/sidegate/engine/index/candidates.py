"""The rules that may match a request, found through the indexes of a matcher."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sidegate.engine.index.compiled_model import CompiledMatcher
from sidegate.engine.index.rule_index import Index
from sidegate.engine.index.ruleset import Ruleset
from sidegate.engine.index.steps import IndexedRule, Values
from sidegate.engine.language.compiler import Closure
from sidegate.engine.roles.resolver import RoleResolver


class CandidateFinder:
    """Finds the candidates of one matcher among the rules of its section. Immutable.

    `serves_default` is true where requests without a context can use it: it reads `r` and `p`, and there are rules.
    """

    __slots__ = ("_indexes", "_matcher", "_only", "_remaining", "rules", "serves_default")

    def __init__(self, matcher: CompiledMatcher, rules: Ruleset, indexes: Sequence[Index | None]) -> None:
        self._matcher = matcher
        self._indexes = tuple(indexes)
        self._only = indexes[0] if len(indexes) == 1 else None
        self._remaining = matcher.alternatives[0].remaining
        self.rules = rules
        self.serves_default = bool(rules) and (matcher.matcher.request, matcher.matcher.policy) == ("r", "p")

    def candidates(self, request: Values, resolver: RoleResolver) -> tuple[Closure | None, Iterable[IndexedRule]]:
        """Return the rules that may match, in order, and the function that verifies each (None: nothing to verify)."""
        index = self._only
        if index is None:
            return self._matcher.whole, self._of_alternatives(request, resolver)
        try:
            found = index.find(request, resolver)
        except Exception:  # noqa: BLE001 - Casbin fails only where a rule reaches the failing part
            return self._matcher.whole, self._one_by_one(request, resolver)
        if removed := self.rules.removed:
            found = [entry for entry in found if entry[0] not in removed]
        return self._remaining, found

    def _of_alternatives(self, request: Values, resolver: RoleResolver) -> Iterable[IndexedRule]:
        """Return the candidates of all alternatives; all rules where one has no step and its guard holds."""
        found: dict[int, IndexedRule] = {}
        try:
            for index, alternative in zip(self._indexes, self._matcher.alternatives, strict=True):
                if index is not None:
                    found |= {entry[0]: entry for entry in index.find(request, resolver)}
                elif alternative.guard is None or alternative.guard(request, (), (), resolver):
                    return self.rules
        except Exception:  # noqa: BLE001 - as above
            return self._one_by_one(request, resolver)
        return [found[rank] for rank in sorted(found) if rank not in self.rules.removed]

    def _one_by_one(self, request: Values, resolver: RoleResolver) -> list[IndexedRule]:
        """Return the candidates where a step fails: the steps' conjuncts are tried on each rule by itself.

        A rule for which one of them is false is skipped, as an index skips it; a rule for which one fails is left
        to the whole matcher, which may never reach the failing part.
        """
        tests = [
            alternative.index_tests if alternative.steps else alternative.guard
            for alternative in self._matcher.alternatives
        ]
        return [entry for entry in self.rules if any(_may(test, entry, request, resolver) for test in tests)]


def _may(test: Closure | None, entry: IndexedRule, request: Values, resolver: RoleResolver) -> bool:
    if test is None:
        return True
    try:
        return bool(test(request, entry[1], entry[2], resolver))
    except Exception:  # noqa: BLE001 - the whole matcher decides whether it fails
        return True
