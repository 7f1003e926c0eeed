"""The indexed engine: Casbin's decisions without its scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from sidegate.engine.blueprint import Blueprint, CompiledMatcher, CompiledRoute
from sidegate.engine.closures import Closure
from sidegate.engine.context import DEFAULT_CONTEXT, split_request
from sidegate.engine.definition import Combination, RoleDefinition, read_definition
from sidegate.engine.effects import POLICIES, decide
from sidegate.engine.evaluation import Evaluation
from sidegate.engine.index import Index
from sidegate.engine.order import order_of
from sidegate.engine.patterns import COMPILERS
from sidegate.engine.plan import Plan
from sidegate.engine.role_patterns import PatternGraph
from sidegate.engine.roles import DomainPatterns, LinkGraph, RoleGraph
from sidegate.engine.rows import checked, require_policy, shown, without
from sidegate.engine.rules import Ruleset
from sidegate.engine.steps import Entry
from sidegate.engine.windows import WindowGraph
from sidegate.errors import EngineError, EvaluationError, ModelError, RequestError, RowError
from sidegate.model import NO_LINKS, Answer, MatchFunction, RoleLinks, Row

Indexes: TypeAlias = Mapping[str, tuple[Index | None, ...]]


class IndexedEngine:
    """Compiles matchers and rows to indexes and functions."""

    name = "indexed"

    def compile(
        self,
        model_text: str,
        rows: Iterable[Row],
        *,
        functions: Mapping[str, MatchFunction] | None = None,
        role_match: Mapping[str, str] | None = None,
        domain_match: Mapping[str, str] | None = None,
    ) -> IndexedProgram:
        """Compile a model with its rows.

        Raises:
            ModelError: the model is wrong.
            RowError: a row is wrong.
        """
        definition = read_definition(model_text)
        matching = _Matching(definition.roles, role_match or {}, domain_match or {})
        return _compiled(Blueprint(definition, functions or {}), matching, checked(definition, rows))


class _Matching:
    """Which role definitions match names or domains by a built-in function."""

    def __init__(
        self, roles: Mapping[str, RoleDefinition], role_match: Mapping[str, str], domain_match: Mapping[str, str]
    ) -> None:
        for section, function in [*role_match.items(), *domain_match.items()]:
            if section not in roles or function not in COMPILERS:
                raise ModelError(f"can't match `{section}` by `{function}`; there is {', '.join(COMPILERS)}")
            if roles[section].window:
                raise ModelError(f"`{section}` has a window of time and can't be matched by patterns")
        self._roles = roles
        self._role_match = dict(role_match)
        self._domain_match = dict(domain_match)

    def graph(self, section: str, rows: Iterable[Row]) -> RoleGraph:
        """Build the graph of a role section from its rows."""
        if self._roles[section].window:
            return WindowGraph(rows, domain=self._roles[section].domain)
        domains = DomainPatterns(self._domain_match.get(section))
        if section in self._role_match:
            return PatternGraph(rows, self._role_match[section], domains)
        return LinkGraph(rows, domains)


class IndexedProgram:
    """A compiled program; see `ports.Program`."""

    __slots__ = ("_blueprint", "_graphs", "_indexes", "_matching", "_rows", "_rules")

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a program, put together in this module only
        self,
        blueprint: Blueprint,
        matching: _Matching,
        rules: Mapping[str, Ruleset],
        indexes: Indexes,
        graphs: Mapping[str, RoleGraph],
        rows: tuple[Row, ...] | None,
    ) -> None:
        self._blueprint = blueprint
        self._matching = matching
        self._rules = rules
        self._indexes = indexes
        self._graphs = graphs
        self._rows = rows

    def plan(self) -> Plan:
        """Return how each conjunct of the matchers is used."""
        return self._blueprint.plan

    def evaluate(self, request: Sequence[object], links: RoleLinks = NO_LINKS) -> Answer:
        """Decide one request.

        Raises:
            RequestError: the request does not fit the request definition.
            EvaluationError: the matcher or a condition that it reached can't be evaluated.
        """
        blueprint = self._blueprint
        context, values = split_request(request, blueprint.definition)
        matcher = blueprint.matchers[context.matcher]
        if context is not DEFAULT_CONTEXT or matcher.matcher.policy != "p":
            matcher.matcher.check(context)
        if not self._rules[context.policy]:
            raise EvaluationError(f"there is no `{context.policy}` row; an empty policy is never evaluated")
        if links.by_domain:
            self._check_links()
        evaluation = Evaluation(self._graphs, links)
        policy = POLICIES[blueprint.definition.effects[context.effect]]
        try:
            candidates = self._candidates(matcher, values, evaluation)
            return decide(candidates, policy, blueprint.effect_columns[context.policy], (values, evaluation))
        except EngineError:
            raise
        except Exception as error:
            raise EvaluationError(f"{type(error).__name__}: {error}") from error

    def with_rows(self, added: Iterable[Row] = (), removed: Iterable[Row] = ()) -> IndexedProgram:
        """Return a program without `removed` and with `added` at its end, in time proportional to the change.

        Raises:
            RowError: an added row is wrong, or a removed row is not there.
        """
        check = self._blueprint.row_rules.check
        plus = [check(tuple(row), ordinal) for ordinal, row in enumerate(added)]
        minus = [tuple(row) for row in removed]
        if self._rows is not None:
            rows = checked(self._blueprint.definition, [*without(self._rows, minus), *plus])
            return _compiled(self._blueprint, self._matching, rows)
        rules, indexes, graphs = dict(self._rules), dict(self._indexes), dict(self._graphs)
        for section in {row[0] if row else "" for row in [*plus, *minus]}:
            mine = [(ordinal, row) for ordinal, row in enumerate(plus) if row[0] == section]
            lost = [row for row in minus if row and row[0] == section]
            if section in graphs:
                graphs[section] = graphs[section].changed([row for _, row in mine], lost)
            elif section in rules:
                rules[section] = self._changed_rules(section, mine, lost, indexes)
            else:
                raise RowError(f"row {shown(lost[0] if lost else ())} can't be removed; it is not there")
        require_policy(bool(ruleset) for ruleset in rules.values())
        return IndexedProgram(self._blueprint, self._matching, rules, indexes, graphs, None)

    def _candidates(
        self, matcher: CompiledMatcher, request: Sequence[object], evaluation: Evaluation
    ) -> list[tuple[Closure | None, Entry]]:
        """Return the rules that may match, in order, each with what is still to be verified."""
        rules = self._rules[matcher.matcher.policy]
        indexes = self._indexes[matcher.matcher.name]
        if len(indexes) > 1:
            return self._union(matcher, request, evaluation)
        index, route = indexes[0], matcher.routes[0]
        if index is None:
            return [(matcher.whole, entry) for entry in rules]
        try:
            found = _found(index, route, request, evaluation)
        except Exception:  # noqa: BLE001 - Casbin fails only where a rule reaches the failing part
            return _one_by_one(matcher, rules, request, evaluation)
        if gone := rules.gone:
            found = [entry for entry in found if entry[0] not in gone]
        rest = route.rest
        return [(rest, entry) for entry in found]

    def _union(
        self, matcher: CompiledMatcher, request: Sequence[object], evaluation: Evaluation
    ) -> list[tuple[Closure | None, Entry]]:
        """Return the candidates of all alternatives, each to be verified by the whole matcher."""
        rules = self._rules[matcher.matcher.policy]
        found: dict[int, Entry] = {}
        try:
            for index, route in zip(self._indexes[matcher.matcher.name], matcher.routes, strict=True):
                if index is not None:
                    found |= {entry[0]: entry for entry in _found(index, route, request, evaluation)}
                elif route.guard is None or route.guard(request, (), (), evaluation):
                    return [(matcher.whole, entry) for entry in rules]
        except Exception:  # noqa: BLE001 - as above
            return _one_by_one(matcher, rules, request, evaluation)
        return [(matcher.whole, found[rank]) for rank in sorted(found) if rank not in rules.gone]

    def _changed_rules(
        self,
        section: str,
        added: Sequence[tuple[int, Row]],
        removed: Sequence[Row],
        indexes: dict[str, tuple[Index | None, ...]],
    ) -> Ruleset:
        """Return the rules of a section after a change, and put their new indexes into `indexes`."""
        rules = self._rules[section]
        plus = rules.entries(added)
        if not removed and len(plus) >= len(rules):
            rules = rules.rebuilt(plus)
            indexes |= _indexes(self._blueprint, {section: rules})
            return rules
        minus = self._entries_of(section, removed)
        grown = [entry for entry in minus if rules.is_added(entry)]
        for name, matcher in self._blueprint.matchers.items():
            if matcher.matcher.policy == section:
                indexes[name] = tuple(index and index.grown(plus, grown) for index in indexes[name])
        return rules.changed(plus, minus)

    def _entries_of(self, section: str, removed: Sequence[Row]) -> list[Entry]:
        """Return the first rule of each removed row, found by its own keys where an index has them.

        Raises:
            RowError: a removed row is not there.
        """
        rules = self._rules[section]
        names = [name for name, matcher in self._blueprint.matchers.items() if matcher.matcher.policy == section]
        index = next((index for name in names for index in self._indexes[name] if index is not None), None)
        found: dict[int, Entry] = {}
        for row in removed:
            beside = iter(rules)
            if index is not None and len(row) == len(self._blueprint.definition.policies[section]) + 1:
                beside = iter(index.beside((0, row[1:], self._blueprint.compile_row(row, -1))))
            alike = [
                entry
                for entry in beside
                if entry[1] == row[1:] and entry[0] not in found and entry[0] not in rules.gone
            ]
            if not alike:
                raise RowError(f"row {shown(row)} can't be removed; it is not there")
            first = min(alike, key=lambda entry: entry[0])
            found[first[0]] = first
        return list(found.values())

    def _check_links(self) -> None:
        role = self._blueprint.definition.roles.get("g")
        if role is None or not role.domain or role.window:
            raise RequestError("links of one evaluation need the role definition `g = _, _, _`")


def _compiled(blueprint: Blueprint, matching: _Matching, rows: Sequence[Row]) -> IndexedProgram:
    """Build a program from rows that were checked."""
    definition = blueprint.definition
    sections: dict[str, list[tuple[int, Row]]] = {name: [] for name in [*definition.policies, *definition.roles]}
    for ordinal, row in enumerate(rows):
        sections[row[0]].append((ordinal, row))
    links = [row for _, row in sections.get("g", ())]
    rules = {}
    for section in definition.policies:
        empty = Ruleset(blueprint.compile_row, order_of(definition, section, links))
        rules[section] = empty.rebuilt(empty.entries(sections[section]))
    graphs = {section: matching.graph(section, [row for _, row in sections[section]]) for section in definition.roles}
    by_hierarchy = Combination.SUBJECT_PRIORITY in definition.effects.values()
    kept = tuple(rows) if by_hierarchy else None
    return IndexedProgram(blueprint, matching, rules, _indexes(blueprint, rules), graphs, kept)


def _indexes(blueprint: Blueprint, rules: Mapping[str, Ruleset]) -> dict[str, tuple[Index | None, ...]]:
    """Build the indexes of all matchers of some policy sections."""
    found: dict[str, tuple[Index | None, ...]] = {}
    for name, matcher in blueprint.matchers.items():
        if matcher.matcher.policy in rules:
            entries = list(rules[matcher.matcher.policy])
            found[name] = tuple(Index(route.steps, entries) if route.steps else None for route in matcher.routes)
    return found


def _found(index: Index, route: CompiledRoute, request: Sequence[object], evaluation: Evaluation) -> list[Entry]:
    """Return the rules that all steps of a route leave over, in their order."""
    buckets = index.find(request, evaluation)
    found: list[Entry] = []
    for done, bucket in buckets:
        narrow = route.narrows[done]
        found += bucket if narrow is None else [e for e in bucket if narrow(request, e[1], e[2], evaluation)]
    if len(buckets) > 1:
        found.sort(key=_rank)
    return found


def _one_by_one(
    matcher: CompiledMatcher, rules: Iterable[Entry], request: Sequence[object], evaluation: Evaluation
) -> list[tuple[Closure | None, Entry]]:
    """Return the candidates where a step fails: the steps' conjuncts are tried on each rule by itself.

    A rule for which one of them is false is skipped, as an index skips it; a rule for which one fails is left
    to the whole matcher, which may never reach the failing part.
    """
    single = len(matcher.routes) == 1
    found: list[tuple[Closure | None, Entry]] = []
    for entry in rules:
        for route in matcher.routes:
            narrow = route.narrows[0] if route.steps else route.guard
            try:
                if narrow is not None and not narrow(request, entry[1], entry[2], evaluation):
                    continue
                found.append((route.rest if single else matcher.whole, entry))
            except Exception:  # noqa: BLE001 - the whole matcher decides whether it fails
                found.append((matcher.whole, entry))
            break
    return found


def _rank(entry: Entry) -> int:
    return entry[0]
