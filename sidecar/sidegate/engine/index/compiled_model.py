"""A model with its compiled matchers and the compilers of its rows; it does not depend on the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from sidegate.engine.casbin.model import Definition
from sidegate.engine.casbin.rows import RowRules
from sidegate.engine.functions.patterns import Pattern, compile_pattern
from sidegate.engine.index.plan import (
    TRUE,
    AlternativePlan,
    ByPattern,
    ByPrefix,
    ByRole,
    ByValue,
    MatcherPlan,
    Plan,
    plan_matcher,
)
from sidegate.engine.index.ruleset import RowCompiler
from sidegate.engine.index.steps import IndexStep, PatternStep, PrefixStep, RoleStep, ScopedRoleStep, ValueStep
from sidegate.engine.language.compiler import Binding, Closure, Scope, compile_tree, compile_values
from sidegate.engine.language.matchers import ConditionReader, Matcher, condition_error, pattern_error, read_matchers
from sidegate.engine.language.signatures import signatures
from sidegate.engine.language.templates import Templates
from sidegate.engine.language.tree import And, Call, Field, Literal, Node, fields, walk
from sidegate.errors import ModelError
from sidegate.model.rules import MatchFunction, Row


@dataclass(frozen=True, slots=True)
class CompiledAlternative:
    """An alternative: its steps, and the function that verifies the rules that pass them (None: nothing to verify).

    `index_tests` is what the steps answer, as one function of a rule.
    `guard` is set where there is no step and no field of a rule is read: whether the alternative matches a request.
    """

    steps: tuple[IndexStep, ...]
    index_tests: Closure | None
    remaining: Closure | None
    guard: Closure | None


@dataclass(frozen=True, slots=True)
class CompiledMatcher:
    """A matcher: the function of the whole, and its alternatives."""

    matcher: Matcher
    whole: Closure
    alternatives: tuple[CompiledAlternative, ...]


class CompiledModel:
    """A model with its functions, compiled; shared by all programs that differ in their rows only."""

    def __init__(self, definition: Definition, functions: Mapping[str, MatchFunction]) -> None:
        self.definition = definition
        self.row_rules = RowRules(definition)
        self._calls = signatures(definition, functions)
        self._functions = dict(functions)
        self._conditions: WeakValueDictionary[tuple[str, str, str], Any] = WeakValueDictionary()
        self._patterns: WeakValueDictionary[tuple[str, str], Pattern] = WeakValueDictionary()
        self.parsed_matchers = read_matchers(definition, self._calls)
        matchers = self.parsed_matchers.usable
        plans = tuple(plan_matcher(matcher, functions, definition.roles) for matcher in matchers.values())
        self.plan = Plan(plans)
        self._bindings: dict[str, dict[Binding, int]] = {section: {} for section in definition.policies}
        self._templates: dict[tuple[str, str], Templates] = {}
        for matcher in matchers.values():
            self._bind(matcher)
        self.matchers = {plan.matcher.name: self._compiled(plan) for plan in plans}
        self.effect_columns = {
            section: names.index("eft") if "eft" in names else None for section, names in definition.policies.items()
        }

    def compiler(self, section: str) -> RowCompiler:
        """Return what compiles the rows of a policy section."""
        return _RowCompiler(tuple(self._bindings[section]), self._compile_text)

    def _compile_text(self, binding: Binding, row: Row, ordinal: int) -> Any:
        text = row[binding.column + 1]
        if binding.function.startswith("eval "):
            return self._condition((row[0], binding.function[5:], text), row, ordinal)
        pattern = self._patterns.get((binding.function, text))
        if pattern is None:
            try:
                pattern = compile_pattern(binding.function, text)
            except ValueError as error:
                raise pattern_error(row, text, error, ordinal) from error
            self._patterns[binding.function, text] = pattern
        return pattern

    def _condition(self, key: tuple[str, str, str], row: Row, ordinal: int) -> Closure:
        closure: Closure | None = self._conditions.get(key)
        if closure is None:
            try:
                closure = self._templates[key[:2]].compile(key[2])
            except ValueError as error:
                raise condition_error(row, key[2], error, ordinal) from error
            self._conditions[key] = closure
        return closure

    def _scope(self, matcher: Matcher) -> Scope:
        requests, policies = self.definition.requests[matcher.request], self.definition.policies[matcher.policy]
        positions = {Field(matcher.request, name): position for position, name in enumerate(requests)}
        positions |= {Field(matcher.policy, name): position for position, name in enumerate(policies)}
        return Scope(matcher.request, positions, self._functions, self.definition.roles)

    def _bind(self, matcher: Matcher) -> None:
        """Assign a position to each condition and pattern of a rule that the matcher reads."""
        scope = self._scope(matcher)
        positions = self._bindings[matcher.policy]
        for node in walk(matcher.tree):
            if binding := scope.binding(node):
                positions.setdefault(binding, len(positions))
        reader = ConditionReader(matcher, self.definition, self._calls)
        self._templates[matcher.policy, matcher.request] = Templates(reader, scope)

    def _compiled(self, plan: MatcherPlan) -> CompiledMatcher:
        matcher = plan.matcher
        scope = replace(self._scope(matcher), bindings=self._bindings[matcher.policy])
        try:
            whole = compile_tree(matcher.tree, scope)
            alternatives = tuple(self._alternative(alternative, scope) for alternative in plan.alternatives)
        except ValueError as error:
            line = self.definition.matchers[matcher.name].line
            raise ModelError(f"matcher `{matcher.name}`: {error}", line=line) from error
        return CompiledMatcher(matcher, whole, alternatives)

    def _alternative(self, alternative: AlternativePlan, scope: Scope) -> CompiledAlternative:
        steps = tuple(_step(access, scope) for access, _ in alternative.steps)
        index_tests, remaining = _verifier(alternative.covered, scope), _verifier(alternative.remaining, scope)
        of_request = not any(field.of_rule for node in alternative.conjuncts for field in fields(node))
        return CompiledAlternative(steps, index_tests, remaining, remaining if of_request else None)


class _RowCompiler:
    """Compiles the conditions and patterns in the rows of one section."""

    __slots__ = ("_bindings", "_compile", "needed")

    def __init__(self, bindings: tuple[Binding, ...], compile_text: Callable[[Binding, Row, int], Any]) -> None:
        self._bindings = bindings
        self._compile = compile_text
        self.needed = bool(bindings)

    def compile(self, row: Row, ordinal: int) -> tuple[Any, ...]:
        """Compile the conditions and patterns of a row.

        Raises:
            RowError: a condition or pattern is wrong.
        """
        return tuple(self._compile(binding, row, ordinal) for binding in self._bindings)


def _verifier(conjuncts: Sequence[Node], scope: Scope) -> Closure | None:
    if not conjuncts or (len(conjuncts) == 1 and conjuncts[0] is TRUE):
        return None
    return compile_tree(conjuncts[0] if len(conjuncts) == 1 else And(tuple(conjuncts)), scope)


def _step(access: ByValue | ByPrefix | ByRole | ByPattern, scope: Scope) -> IndexStep:
    positions = scope.fields
    match access:
        case ByValue(pairs=pairs):
            values = compile_values([value for _, value in pairs], scope)
            return ValueStep(tuple(positions[field] for field, _ in pairs), values)
        case ByPrefix(field=field, value=value):
            return PrefixStep(positions[field], compile_tree(value, scope))
        case ByPattern(call=call):
            return PatternStep(_slot(call, scope), compile_tree(call.arguments[0], scope))
        case ByRole():
            return _by_role(access, scope)


def _by_role(access: ByRole, scope: Scope) -> IndexStep:
    column = scope.fields[access.field]
    domain = Literal("") if access.domain is None else access.domain
    if not access.given:
        values = compile_values([access.subject, domain, *access.constants], scope)
        return RoleStep(column, access.section, values)
    values = compile_values([access.subject, Literal(""), *access.constants], scope)
    given = {field: position for position, field in enumerate(access.given)}
    own = {field: position for field, position in scope.fields.items() if not field.of_rule}
    columns = column, tuple(scope.fields[field] for field in access.given)
    return ScopedRoleStep(
        columns, access.section, values, compile_tree(domain, replace(scope, fields={**own, **given}, bindings={}))
    )


def _slot(call: Call, scope: Scope) -> int:
    binding = scope.binding(call)
    assert binding is not None
    return scope.bindings[binding]
