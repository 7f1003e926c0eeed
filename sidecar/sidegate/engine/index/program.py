"""An indexed program: a blueprint with rows, their indexes and role graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sidegate.engine.casbin.context import DEFAULT_CONTEXT, EnforceContext, split_request
from sidegate.engine.casbin.model import Combination
from sidegate.engine.casbin.order import order_of
from sidegate.engine.casbin.rows import checked, require_policy, shown, without
from sidegate.engine.index.blueprint import Blueprint
from sidegate.engine.index.buckets import Index
from sidegate.engine.index.effects import Verdict
from sidegate.engine.index.failures import located
from sidegate.engine.index.lookup import Lookup
from sidegate.engine.index.plan import Plan
from sidegate.engine.index.rules import Ruleset
from sidegate.engine.index.steps import Entry
from sidegate.engine.roles.evaluation import Evaluation
from sidegate.engine.roles.graphs import Graphs
from sidegate.errors import EvaluationError, RequestError, RowError
from sidegate.model.rules import NO_LINKS, Answer, RoleLinks, Row
from sidegate.runtime.garbage_collection import garbage_collection_paused


@dataclass(frozen=True, slots=True)
class Parts:
    """What a program is made of; `rows` are kept only where their order depends on the role links."""

    blueprint: Blueprint
    rules: Mapping[str, Ruleset]
    indexes: Mapping[str, tuple[Index | None, ...]]
    graphs: Graphs
    rows: tuple[Row, ...] | None = None


class IndexedProgram:
    """A compiled program; see `ports.Program`."""

    __slots__ = ("_graphs", "_lookup", "_parts", "_size", "_verdict")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._graphs = parts.graphs.by_section
        self._size = len(parts.blueprint.definition.requests["r"])
        self._lookup, self._verdict = self._used_by(DEFAULT_CONTEXT)

    def plan(self) -> Plan:
        """Return how each conjunct of the matchers is used."""
        return self._parts.blueprint.plan

    def evaluate(self, request: Sequence[object], links: RoleLinks = NO_LINKS) -> Answer:
        """Decide one request.

        Raises:
            RequestError: the request does not fit the request definition.
            EvaluationError: the matcher or a condition that it reached can't be evaluated.
        """
        values = tuple(request)
        lookup, verdict = self._lookup, self._verdict
        if len(values) != self._size or not lookup.usual or values[0].__class__ is EnforceContext:
            lookup, verdict, values = self._unusual(values)
        if links.by_domain:
            self._parts.graphs.check_links()
        evaluation = Evaluation(self._graphs, links)
        try:
            verify, entries = lookup.candidates(values, evaluation)
            return verdict.of(entries, verify, values, evaluation)
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
        """Yield every row, whatever their order."""
        roles = self._parts.blueprint.definition.roles
        for section, rules in self._parts.rules.items():
            for _, row, _ in rules:
                yield section, *row
        for section, graph in self._graphs.items():
            for row in graph.rows():
                yield section, *row[1 : 1 + roles[section].width]

    def _with(self, added: Sequence[Row], removed: Sequence[Row]) -> IndexedProgram:
        parts = self._parts
        check = parts.blueprint.row_rules.check
        for ordinal, row in enumerate(added):
            check(row, ordinal)
        if parts.rows is None:
            return IndexedProgram(_changed(parts, added, removed))
        rows = checked(parts.blueprint.definition, [*without(parts.rows, removed), *added])
        return build(parts.blueprint, parts.graphs, rows)

    def _used_by(self, context: EnforceContext) -> tuple[Lookup, Verdict]:
        parts = self._parts
        blueprint = parts.blueprint
        matcher = blueprint.matchers[context.matcher]
        section = matcher.matcher.policy
        lookup = Lookup(matcher, parts.rules[section], parts.indexes[context.matcher])
        return lookup, Verdict(blueprint.definition.effects[context.effect], blueprint.effect_columns[section])

    def _unusual(self, request: tuple[object, ...]) -> tuple[Lookup, Verdict, tuple[object, ...]]:
        """Return what a request uses that names a context, or that the default context does not fit.

        Raises:
            RequestError: the request does not fit.
            EvaluationError: the policy section has no row.
        """
        context, values = split_request(request, self._parts.blueprint.definition)
        self._parts.blueprint.read.chosen(context)
        if not self._parts.rules[context.policy]:
            raise EvaluationError(f"there is no `{context.policy}` row; an empty policy is never evaluated")
        return *self._used_by(context), values


def build(blueprint: Blueprint, graphs: Graphs, rows: Sequence[Row]) -> IndexedProgram:
    """Build a program from rows that were checked; `graphs` says how role sections match.

    Raises:
        RowError: what a row holds is wrong.
    """
    definition = blueprint.definition
    sections: dict[str, list[tuple[int, Row]]] = {name: [] for name in [*definition.policies, *definition.roles]}
    for numbered in enumerate(rows):
        sections[numbered[1][0]].append(numbered)
    links = {section: [row for _, row in sections[section]] for section in definition.roles}
    rules = {}
    for section in definition.policies:
        empty = Ruleset(blueprint.compiler(section), order_of(definition, section, links.get("g", ())))
        rules[section] = empty.rebuilt(empty.entries(sections[section]))
    by_hierarchy = Combination.SUBJECT_PRIORITY in definition.effects.values()
    kept = tuple(rows) if by_hierarchy else None
    return IndexedProgram(Parts(blueprint, rules, _indexes(blueprint, rules), graphs.built(links), kept))


def _indexes(blueprint: Blueprint, rules: Mapping[str, Ruleset]) -> dict[str, tuple[Index | None, ...]]:
    """Build the indexes of all matchers over some policy sections."""
    found: dict[str, tuple[Index | None, ...]] = {}
    for name, matcher in blueprint.matchers.items():
        if matcher.matcher.policy in rules:
            entries = list(rules[matcher.matcher.policy])
            found[name] = tuple(Index(route.steps, entries) if route.steps else None for route in matcher.routes)
    return found


def _changed(parts: Parts, added: Sequence[Row], removed: Sequence[Row]) -> Parts:
    """Return the parts after a change, sharing all that did not change."""
    rules, indexes, graphs = dict(parts.rules), dict(parts.indexes), parts.graphs
    for section in dict.fromkeys(row[0] if row else "" for row in [*added, *removed]):
        plus = [(ordinal, row) for ordinal, row in enumerate(added) if row[0] == section]
        minus = [row for row in removed if row and row[0] == section]
        if section in graphs.by_section:
            graphs = graphs.changed(section, [row for _, row in plus], minus)
        elif section in rules:
            indexes |= _change_rules(parts, rules, section, (plus, minus))
        else:
            raise RowError(f"row {shown(minus[0] if minus else ())} can't be removed; it is not there")
    require_policy(bool(ruleset) for ruleset in rules.values())
    return Parts(parts.blueprint, rules, indexes, graphs)


def _change_rules(
    parts: Parts, rules: dict[str, Ruleset], section: str, change: tuple[list[tuple[int, Row]], list[Row]]
) -> dict[str, tuple[Index | None, ...]]:
    """Put the changed rules of a section into `rules`, and return its changed indexes."""
    before = rules[section]
    plus = before.entries(change[0])
    if not change[1] and len(plus) >= len(before):
        rules[section] = before.rebuilt(plus)
        return _indexes(parts.blueprint, {section: rules[section]})
    minus = _entries(parts, section, change[1])
    rules[section] = before.changed(plus, minus)
    if rules[section].worn:
        rules[section] = rules[section].rebuilt(())
        return _indexes(parts.blueprint, {section: rules[section]})
    grown = [entry for entry in minus if before.is_added(entry)]
    names = [name for name, matcher in parts.blueprint.matchers.items() if matcher.matcher.policy == section]
    return {name: tuple(index and index.grown(plus, grown) for index in parts.indexes[name]) for name in names}


def _entries(parts: Parts, section: str, removed: Sequence[Row]) -> list[Entry]:
    """Return the first rule of each removed row, found by its own keys where an index has them.

    Raises:
        RowError: a removed row is not there.
    """
    rules, blueprint = parts.rules[section], parts.blueprint
    width = len(blueprint.definition.policies[section]) + 1
    names = [name for name, matcher in blueprint.matchers.items() if matcher.matcher.policy == section]
    index = next((index for name in names for index in parts.indexes[name] if index is not None), None)
    found: dict[int, Entry] = {}
    for row in removed:
        beside: Iterable[Entry] = rules
        if index is not None and len(row) == width:
            beside = index.beside((0, row[1:], blueprint.compiler(section).compile(row, -1)))
        alike = [e for e in beside if e[1] == row[1:] and e[0] not in found and e[0] not in rules.gone]
        if not alike:
            raise RowError(f"row {shown(row)} can't be removed; it is not there")
        first = min(alike, key=lambda entry: entry[0])
        found[first[0]] = first
    return list(found.values())
