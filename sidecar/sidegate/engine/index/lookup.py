"""How the rules that may match one request are found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sidegate.engine.index.blueprint import CompiledMatcher
from sidegate.engine.index.buckets import Index
from sidegate.engine.index.rules import Ruleset
from sidegate.engine.index.steps import Entry, Values
from sidegate.engine.language.compiler import Closure
from sidegate.engine.roles.evaluation import Evaluation


class Lookup:
    """One matcher over the rules of its section, by the indexes of its alternatives. It never changes.

    `usual` says whether requests that name no context can use it: it reads `r` and `p`, and there are rules.
    """

    __slots__ = ("_indexes", "_matcher", "_only", "_rest", "rules", "usual")

    def __init__(self, matcher: CompiledMatcher, rules: Ruleset, indexes: Sequence[Index | None]) -> None:
        self._matcher = matcher
        self._indexes = tuple(indexes)
        self._only = indexes[0] if len(indexes) == 1 else None
        self._rest = matcher.routes[0].rest
        self.rules = rules
        self.usual = bool(rules) and (matcher.matcher.request, matcher.matcher.policy) == ("r", "p")

    def candidates(self, request: Values, evaluation: Evaluation) -> tuple[Closure | None, Iterable[Entry]]:
        """Return the rules that may match, in order, and what is still to be verified on each (None: nothing)."""
        index = self._only
        if index is None:
            return self._matcher.whole, self._of_alternatives(request, evaluation)
        try:
            found = index.find(request, evaluation)
        except Exception:  # noqa: BLE001 - Casbin fails only where a rule reaches the failing part
            return self._matcher.whole, self._one_by_one(request, evaluation)
        if gone := self.rules.gone:
            found = [entry for entry in found if entry[0] not in gone]
        return self._rest, found

    def _of_alternatives(self, request: Values, evaluation: Evaluation) -> Iterable[Entry]:
        """Return the candidates of all alternatives; all rules where one has no step and is not refuted."""
        found: dict[int, Entry] = {}
        try:
            for index, route in zip(self._indexes, self._matcher.routes, strict=True):
                if index is not None:
                    found |= {entry[0]: entry for entry in index.find(request, evaluation)}
                elif route.guard is None or route.guard(request, (), (), evaluation):
                    return self.rules
        except Exception:  # noqa: BLE001 - as above
            return self._one_by_one(request, evaluation)
        return [found[rank] for rank in sorted(found) if rank not in self.rules.gone]

    def _one_by_one(self, request: Values, evaluation: Evaluation) -> list[Entry]:
        """Return the candidates where a step fails: the steps' conjuncts are tried on each rule by itself.

        A rule for which one of them is false is skipped, as an index skips it; a rule for which one fails is left
        to the whole matcher, which may never reach the failing part.
        """
        tests = [route.narrow if route.steps else route.guard for route in self._matcher.routes]
        return [entry for entry in self.rules if any(_may(test, entry, request, evaluation) for test in tests)]


def _may(test: Closure | None, entry: Entry, request: Values, evaluation: Evaluation) -> bool:
    if test is None:
        return True
    try:
        return bool(test(request, entry[1], entry[2], evaluation))
    except Exception:  # noqa: BLE001 - the whole matcher decides whether it fails
        return True
