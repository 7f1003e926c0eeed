"""The reference engine: pycasbin itself, with a new enforcer for each evaluation and its unsafe features closed off.

It is slow and simple: the indexed engine is tested against it.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from casbin import core_enforcer, util
from casbin.effect import get_effector
from casbin.model import Model
from casbin.rbac import RoleManager

from sidegate.engine.casbin.context import EnforceContext, split_request
from sidegate.engine.casbin.model import Definition, read_definition
from sidegate.engine.casbin.order import sort_key_of
from sidegate.engine.casbin.rows import checked_rows, rows_without
from sidegate.engine.functions.patterns import compile_pattern
from sidegate.engine.functions.time_match import readable
from sidegate.engine.language import operators
from sidegate.engine.language.entity import declared_property
from sidegate.engine.language.matchers import ConditionReader, Matcher, condition_error, pattern_error, read_matchers
from sidegate.engine.language.parser import Syntax
from sidegate.engine.language.signatures import signatures
from sidegate.engine.language.tokens import python_spelling
from sidegate.engine.reference_failures import located
from sidegate.engine.roles.role_graphs import RoleGraphs
from sidegate.errors import EngineError, EvaluationError
from sidegate.model.rules import NO_LINKS, Answer, MatchFunction, RoleLinks, Row

for _name in ("casbin", "casbin.enforcer", "casbin.policy", "casbin.role"):
    logging.getLogger(_name).disabled = True  # pycasbin logs whole requests with personal data

_MATCHERS: Final[Mapping[str, Callable[..., Any]]] = {
    "keyMatch": util.key_match,
    "keyMatch2": util.key_match2,
    "keyMatch3": util.key_match3,
    "keyMatch4": util.key_match4,
    "keyMatch5": util.key_match5,
    "regexMatch": util.regex_match,
    "ipMatch": util.ip_match,
    "globMatch": util.glob_match,
}
_GETTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "keyGet": util.key_get,
    "keyGet2": util.key_get2,
    "keyGet3": util.key_get3,
}
_OPERATORS: Final[Mapping[type[ast.AST], Callable[..., Any]]] = {
    ast.In: operators.contains,
    ast.NotIn: operators.lacks,
    ast.Add: operators.add,
    ast.Sub: operators.subtract,
    ast.Mult: operators.multiply,
    ast.Div: operators.divide,
    ast.FloorDiv: operators.floor_divide,
    ast.Mod: operators.modulo,
}


class ReferenceEngine:
    """Decides by running pycasbin."""

    name = "reference"

    def compile(
        self,
        model_text: str,
        rows: Iterable[Row],
        *,
        functions: Mapping[str, MatchFunction] | None = None,
        role_match: Mapping[str, str] | None = None,
        domain_match: Mapping[str, str] | None = None,
    ) -> ReferenceProgram:
        """Check model and rows, and store them for pycasbin.

        Raises:
            ModelError: the model is wrong.
            RowError: a row is wrong.
        """
        model = _ReferenceModel(model_text, functions or {}, role_match or {}, domain_match or {})
        return ReferenceProgram(model, checked_rows(model.definition, rows))


class ReferenceProgram:
    """A model and its rows; see `ports.Program`."""

    __slots__ = ("_model", "_originals", "_policies", "_rows")

    def __init__(self, model: _ReferenceModel, rows: Sequence[Row]) -> None:
        self._model = model
        self._rows = tuple(rows)
        model.check_graphs(self._rows)
        model.check_texts(self._rows)
        self._policies, self._originals = model.policies(self._rows)

    def evaluate(self, request: Sequence[object], links: RoleLinks = NO_LINKS) -> Answer:
        """Decide one request.

        Raises:
            RequestError: the request does not fit the request definition.
            EvaluationError: pycasbin failed.
        """
        context, values = split_request(request, self._model.definition)
        self._model.matchers.chosen(context)
        if not self._policies[context.policy]:
            raise EvaluationError(f"there is no `{context.policy}` row; an empty policy is never evaluated")
        enforcer = self._enforcer(context, links)
        sections = core_enforcer.EnforceContext(context.request, context.policy, context.effect, context.matcher)
        try:
            allowed, rule = enforcer.enforce_ex(sections, *values)
        except Exception as error:
            if isinstance(error, EngineError) and not isinstance(error, EvaluationError):
                raise
            requests = self._model.definition.requests
            raise located(error, originals=self._originals, request=requests, section=context.request) from error
        return Answer(bool(allowed), self._originals[id(rule)] if rule else None)

    def with_rows(self, added: Iterable[Row] = (), removed: Iterable[Row] = ()) -> ReferenceProgram:
        """Return a program without `removed` and with `added` at its end.

        Raises:
            RowError: an added row is wrong, or a removed row is not there.
        """
        rows = [*rows_without(self._rows, removed), *added]
        return ReferenceProgram(self._model, checked_rows(self._model.definition, rows))

    def rows(self) -> Iterable[Row]:
        """Return every row."""
        return self._rows

    def _enforcer(self, context: EnforceContext, links: RoleLinks) -> Any:
        """Build a new enforcer: the role managers of a used one remember the names of earlier requests."""
        model = self._model.casbin_model()
        for section, policy in self._policies.items():
            model["p"][section].policy = policy
        enforcer = _Enforcer(model)
        enforcer.eft = get_effector(model["e"][context.effect].value)
        self._model.register(enforcer)
        for section in self._model.definition.roles:
            model["g"][section].policy = self._model.links(section, self._rows)
        extra = [list(triple) for triple in links.triples()]
        if extra:
            self._model.graphs.check_links()
            model["g"]["g"].policy += extra
        self._model.link(enforcer)
        return enforcer


class _ReferenceModel:
    """A model with its functions, as pycasbin needs them; programs that differ in their rows share it."""

    def __init__(
        self,
        model_text: str,
        functions: Mapping[str, MatchFunction],
        role_match: Mapping[str, str],
        domain_match: Mapping[str, str],
    ) -> None:
        self.definition: Definition = read_definition(model_text)
        self._calls = signatures(self.definition, functions)
        self.matchers = read_matchers(self.definition, self._calls)
        self._functions = MappingProxyType({**_GETTERS, "timeMatch": _time_match, **functions})
        self._role_match = dict(role_match)
        self._domain_match = dict(domain_match)
        self.graphs = RoleGraphs(self.definition.roles, role_match, domain_match)

    def casbin_model(self) -> Any:
        """Return a fresh Casbin model without rows."""
        model = Model()
        for section, names in [*self.definition.requests.items(), *self.definition.policies.items()]:
            model.add_def(section[0], section, ", ".join(names))
        for section, effect in self.definition.effects.items():
            model.add_def("e", section, effect.value)
        for section, matcher in self.definition.matchers.items():
            model.add_def("m", section, python_spelling(matcher.text))
        for section, role in self.definition.roles.items():
            model.add_def("g", section, "_, _" + ", _" * role.domain + ", (_, _)" * role.window)
        return model

    def check_graphs(self, rows: Sequence[Row]) -> None:
        """Refuse links that the indexed engine's graphs refuse.

        Raises:
            RowError: a chain of roles that is cut, or a time or pattern that is wrong.
        """
        self.graphs.built({section: [row for row in rows if row[0] == section] for section in self.definition.roles})

    def check_texts(self, rows: Sequence[Row]) -> None:
        """Parse each condition alone, and compile each pattern.

        Raises:
            RowError: a condition that is wrong by itself, whatever it would become inside the matcher, or a pattern
                that could not be matched, or not in linear time.
        """
        for matcher in self.matchers.usable.values():
            self._check_patterns(matcher, rows)
            reader = ConditionReader(matcher, self.definition, self._calls)
            columns = [self.definition.policies[matcher.policy].index(name) + 1 for name in matcher.conditions]
            seen: set[str] = set()
            for ordinal, row in enumerate(rows):
                for column in columns if row[0] == matcher.policy else ():
                    if row[column] in seen:
                        continue
                    try:
                        reader.parse(row[column])
                    except Syntax as error:
                        raise condition_error(row, row[column], error, ordinal) from error
                    seen.add(row[column])

    def _check_patterns(self, matcher: Matcher, rows: Sequence[Row]) -> None:
        fields = self.definition.policies[matcher.policy]
        for function, name in matcher.patterns - {(own, name) for own in self._functions for name in fields}:
            column = fields.index(name) + 1
            for ordinal, row in enumerate(rows):
                try:
                    if row[0] == matcher.policy:
                        compile_pattern(function, row[column])
                except ValueError as error:
                    raise pattern_error(row, row[column], error, ordinal) from error

    def policies(self, rows: Sequence[Row]) -> tuple[dict[str, list[list[str]]], dict[int, tuple[str, ...]]]:
        """Return each section's rows as pycasbin reads them, in order, and the original of each by its identity."""
        sections: dict[str, list[list[str]]] = {}
        originals: dict[int, tuple[str, ...]] = {}
        links = [row for row in rows if row[0] == "g"]
        for section, names in self.definition.policies.items():
            conditions = {name for m in self.matchers.usable.values() if m.policy == section for name in m.conditions}
            found = [row for row in rows if row[0] == section]
            if key := sort_key_of(self.definition, section, links):
                found.sort(key=key)
            sections[section] = []
            for row in found:
                pairs = zip(names, row[1:], strict=True)
                spelled = [python_spelling(value) if name in conditions else value for name, value in pairs]
                sections[section].append(spelled)
                originals[id(spelled)] = row[1:]
        return sections, originals

    def links(self, section: str, rows: Sequence[Row]) -> list[list[str]]:
        """Return the links of a role section as pycasbin reads them, with windows that Python can parse."""
        window = self.definition.roles[section].window
        held = [list(row[1:]) for row in rows if row[0] == section]
        return [[*row[:-2], *map(readable, row[-2:])] for row in held] if window else held

    def register(self, enforcer: Any) -> None:
        """Add the functions of the model to an enforcer, and role managers that remember no names."""
        for name, function in self._functions.items():
            enforcer.fm.add_function(name, function)
        for section, manager in enforcer.rm_map.items():
            enforcer.rm_map[section] = _FreshRoleManager(
                type(manager),
                _MATCHERS.get(self._role_match.get(section, "")),
                _MATCHERS.get(self._domain_match.get(section, "")),
            )

    def link(self, enforcer: Any) -> None:
        """Build the role links; a window of time always counts, which pycasbin needs a registered condition for."""
        model = enforcer.model
        if enforcer.rm_map:
            model.build_role_links(enforcer.rm_map)
        if not enforcer.cond_rm_map:
            return
        model.build_conditional_role_links(enforcer.cond_rm_map)
        for section in enforcer.rm_map:
            # Where one definition has a window, pycasbin asks the conditional manager of every definition.
            model["g"][section].cond_rm = model["g"][section].rm
        for section, manager in enforcer.cond_rm_map.items():
            for row in model["g"][section].policy:
                if self.definition.roles[section].domain:
                    manager.add_domain_link_condition_func(*row[:3], util.time_match_func)
                else:
                    manager.add_link_condition_func(*row[:2], util.time_match_func)


def _time_match(start: object, end: object) -> bool:
    """Evaluate Casbin's `timeMatch`, with times that Python can parse."""
    return bool(util.time_match_func(*(readable(time) if isinstance(time, str) else time for time in (start, end))))


class _FreshRoleManager(RoleManager):  # type: ignore[misc]
    """Answers each query by a manager that has seen the links only: Casbin's own remembers the names of queries."""

    def __init__(self, kind: type[Any], match: Callable[..., Any] | None, domain: Callable[..., Any] | None) -> None:
        self._kind = kind
        self._match = match
        self._domain = domain
        self._links: list[tuple[str, ...]] = []
        self._fresh: Any = None

    def add_link(self, name1: str, name2: str, *domain: str) -> None:
        """Store a link."""
        self._links.append((name1, name2, *domain))

    def has_link(self, name1: object, name2: object, *domain: str) -> bool:
        """Query a new manager; without patterns one manager serves all queries, since names change nothing."""
        if self._fresh is None or self._match is not None:
            # Without a function Casbin compares each pair of links by equality, with the same answers.
            self._fresh = self._kind(10)
            self._fresh.add_matching_func(self._match)
            if self._domain is not None:
                self._fresh.add_domain_matching_func(self._domain)
            for link in self._links:
                self._fresh.add_link(*link)
        return bool(self._fresh.has_link(name1, name2, *domain))

    def print_roles(self) -> None:
        """Print nothing."""


class _Enforcer(core_enforcer.CoreEnforcer):  # type: ignore[misc]
    """A Casbin enforcer whose conditions read declared properties only and find no substrings."""

    @staticmethod
    def _get_expression(expr: str, functions: dict[str, Callable[..., Any]] | None = None) -> Any:
        evaluator = core_enforcer.CoreEnforcer._get_expression(expr, functions)  # noqa: SLF001 - the only hook
        evaluator.operators = {**evaluator.operators, **_OPERATORS}
        evaluate = evaluator._eval  # noqa: SLF001 - simpleeval's node handlers recurse through it
        evaluator.nodes[ast.Attribute] = lambda node: declared_property(evaluate(node.value), node.attr)
        evaluator.nodes[ast.Subscript] = lambda node: operators.item_of(evaluate(node.value), evaluate(node.slice))
        return evaluator
