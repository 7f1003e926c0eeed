"""An indexed program: a compiled model with rows, their indexes and role graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sidegate.engine.casbin.context import DEFAULT_CONTEXT, EnforceContext, split_request
from sidegate.engine.casbin.model import Combination
from sidegate.engine.casbin.order import sort_key_of
from sidegate.engine.casbin.rows import checked_rows, quoted, require_policy, rows_without
from sidegate.engine.index.candidates import CandidateFinder
from sidegate.engine.index.compiled_model import CompiledModel
from sidegate.engine.index.effects import EffectCombiner
from sidegate.engine.index.failures import located
from sidegate.engine.index.plan import Plan
from sidegate.engine.index.rule_index import Index
from sidegate.engine.index.ruleset import Ruleset
from sidegate.engine.index.steps import IndexedRule
from sidegate.engine.roles.resolver import RoleResolver
from sidegate.engine.roles.role_graphs import RoleGraphs
from sidegate.errors import EvaluationError, RequestError, RowError
from sidegate.model.rules import NO_LINKS, Answer, RoleLinks, Row
from sidegate.runtime.garbage_collection import garbage_collection_paused


@dataclass(frozen=True, slots=True)
class ProgramParts:
    """The parts of a program; `rows` is set only where the order of the rules depends on the role links."""

    model: CompiledModel
    rules: Mapping[str, Ruleset]
    indexes: Mapping[str, tuple[Index | None, ...]]
    graphs: RoleGraphs
    rows: tuple[Row, ...] | None = None


class IndexedProgram:
    """A compiled program; see `ports.Program`."""

    __slots__ = ("_combiner", "_finder", "_graphs", "_parts", "_size")

    def __init__(self, parts: ProgramParts) -> None:
        self._parts = parts
        self._graphs = parts.graphs.by_section
        self._size = len(parts.model.definition.requests["r"])
        self._finder, self._combiner = self._chosen_by(DEFAULT_CONTEXT)

    def plan(self) -> Plan:
        """Return how each conjunct of the matchers is used."""
        return self._parts.model.plan

    def evaluate(self, request: Sequence[object], links: RoleLinks = NO_LINKS) -> Answer:
        """Decide one request.

        Raises:
            RequestError: the request does not fit the request definition.
            EvaluationError: the matcher or a condition that it reached can't be evaluated.
        """
        values = tuple(request)
        finder, combiner = self._finder, self._combiner
        if len(values) != self._size or not finder.serves_default or values[0].__class__ is EnforceContext:
            finder, combiner, values = self._for_context(values)
        if links.by_domain:
            self._parts.graphs.check_links()
        resolver = RoleResolver(self._graphs, links)
        try:
            verify, entries = finder.candidates(values, resolver)
            return combiner.combine(entries, verify, values, resolver)
        except RowError as error:
            raise RequestError(f"a link of this evaluation: {error}") from error
        except RequestError:
            raise
        except Exception as error:
            raise located(error) from error

    def with_rows(self, added: Iterable[Row] = (), removed: Iterable[Row] = ()) -> IndexedProgram:
        """Return a program without `removed` and with `added` at its end, in time proportional to the change.

        Raises:
            RowError: an added row is wrong, or a removed row is not there.
        """
        plus, minus = [tuple(row) for row in added], [tuple(row) for row in removed]
        with garbage_collection_paused(len(plus)):
            return self._with(plus, minus)

    def rows(self) -> Iterator[Row]:
        """Yield every row, in any order."""
        roles = self._parts.model.definition.roles
        for section, rules in self._parts.rules.items():
            for _, row, _ in rules:
                yield section, *row
        for section, graph in self._graphs.items():
            for row in graph.rows():
                yield section, *row[1 : 1 + roles[section].width]

    def _with(self, added: Sequence[Row], removed: Sequence[Row]) -> IndexedProgram:
        parts = self._parts
        check = parts.model.row_rules.check
        for ordinal, row in enumerate(added):
            check(row, ordinal)
        if parts.rows is None:
            return IndexedProgram(_changed(parts, added, removed))
        rows = checked_rows(parts.model.definition, [*rows_without(parts.rows, removed), *added])
        return build(parts.model, parts.graphs, rows)

    def _chosen_by(self, context: EnforceContext) -> tuple[CandidateFinder, EffectCombiner]:
        parts = self._parts
        model = parts.model
        matcher = model.matchers[context.matcher]
        section = matcher.matcher.policy
        finder = CandidateFinder(matcher, parts.rules[section], parts.indexes[context.matcher])
        return finder, EffectCombiner(model.definition.effects[context.effect], model.effect_columns[section])

    def _for_context(self, request: tuple[object, ...]) -> tuple[CandidateFinder, EffectCombiner, tuple[object, ...]]:
        """Return finder, combiner and values for a request that names a context, or does not fit the default one.

        Raises:
            RequestError: the request does not fit.
            EvaluationError: the policy section has no row.
        """
        context, values = split_request(request, self._parts.model.definition)
        self._parts.model.parsed_matchers.chosen(context)
        if not self._parts.rules[context.policy]:
            raise EvaluationError(f"there is no `{context.policy}` row; an empty policy is never evaluated")
        return *self._chosen_by(context), values


def build(model: CompiledModel, graphs: RoleGraphs, rows: Sequence[Row]) -> IndexedProgram:
    """Build a program from checked rows; `graphs` defines how names and domains of roles match.

    Raises:
        RowError: a condition, pattern, priority or role link is wrong.
    """
    definition = model.definition
    sections: dict[str, list[tuple[int, Row]]] = {name: [] for name in [*definition.policies, *definition.roles]}
    for numbered in enumerate(rows):
        sections[numbered[1][0]].append(numbered)
    links = {section: [row for _, row in sections[section]] for section in definition.roles}
    rules = {}
    for section in definition.policies:
        empty = Ruleset(model.compiler(section), sort_key_of(definition, section, links.get("g", ())))
        rules[section] = empty.rebuilt(empty.entries(sections[section]))
    by_hierarchy = Combination.SUBJECT_PRIORITY in definition.effects.values()
    ordered_rows = tuple(rows) if by_hierarchy else None
    return IndexedProgram(ProgramParts(model, rules, _indexes(model, rules), graphs.built(links), ordered_rows))


def _indexes(model: CompiledModel, rules: Mapping[str, Ruleset]) -> dict[str, tuple[Index | None, ...]]:
    """Build the indexes of all matchers over some policy sections."""
    found: dict[str, tuple[Index | None, ...]] = {}
    for name, matcher in model.matchers.items():
        if matcher.matcher.policy in rules:
            entries = list(rules[matcher.matcher.policy])
            found[name] = tuple(
                Index(alternative.steps, entries) if alternative.steps else None for alternative in matcher.alternatives
            )
    return found


def _changed(parts: ProgramParts, added: Sequence[Row], removed: Sequence[Row]) -> ProgramParts:
    """Return the parts after a change; they share what did not change."""
    rules, indexes, graphs = dict(parts.rules), dict(parts.indexes), parts.graphs
    for section in dict.fromkeys(row[0] if row else "" for row in [*added, *removed]):
        plus = [(ordinal, row) for ordinal, row in enumerate(added) if row[0] == section]
        minus = [row for row in removed if row and row[0] == section]
        if section in graphs.by_section:
            graphs = graphs.changed(section, [row for _, row in plus], minus)
        elif section in rules:
            indexes |= _change_rules(parts, rules, section, (plus, minus))
        else:
            raise RowError(f"row {quoted(minus[0] if minus else ())} can't be removed; it is not there")
    require_policy(bool(ruleset) for ruleset in rules.values())
    return ProgramParts(parts.model, rules, indexes, graphs)


def _change_rules(
    parts: ProgramParts, rules: dict[str, Ruleset], section: str, change: tuple[list[tuple[int, Row]], list[Row]]
) -> dict[str, tuple[Index | None, ...]]:
    """Replace the rules of a section in `rules`, and return its changed indexes."""
    before = rules[section]
    plus = before.entries(change[0])
    if not change[1] and len(plus) >= len(before):
        rules[section] = before.rebuilt(plus)
        return _indexes(parts.model, {section: rules[section]})
    minus = _entries(parts, section, change[1])
    rules[section] = before.changed(plus, minus)
    if rules[section].needs_rebuild:
        rules[section] = rules[section].rebuilt(())
        return _indexes(parts.model, {section: rules[section]})
    changed = [entry for entry in minus if before.is_added(entry)]
    names = [name for name, matcher in parts.model.matchers.items() if matcher.matcher.policy == section]
    return {name: tuple(index and index.changed(plus, changed) for index in parts.indexes[name]) for name in names}


def _entries(parts: ProgramParts, section: str, removed: Sequence[Row]) -> list[IndexedRule]:
    """Return the first rule of each removed row, found through an index where there is one.

    Raises:
        RowError: a removed row is not there.
    """
    rules, model = parts.rules[section], parts.model
    width = len(model.definition.policies[section]) + 1
    names = [name for name, matcher in model.matchers.items() if matcher.matcher.policy == section]
    index = next((index for name in names for index in parts.indexes[name] if index is not None), None)
    found: dict[int, IndexedRule] = {}
    for row in removed:
        rules_like: Iterable[IndexedRule] = rules
        if index is not None and len(row) == width:
            rules_like = index.rules_like((0, row[1:], model.compiler(section).compile(row, -1)))
        alike = [e for e in rules_like if e[1] == row[1:] and e[0] not in found and e[0] not in rules.removed]
        if not alike:
            raise RowError(f"row {quoted(row)} can't be removed; it is not there")
        first = min(alike, key=lambda entry: entry[0])
        found[first[0]] = first
    return list(found.values())
