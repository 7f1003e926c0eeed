"""Compiles a tree to a Python function, through Python's own syntax tree: no text of a policy is evaluated.

Every function takes `r` (the request's values), `p` (the rule's values), `c` (the compiled conditions and patterns
of the rule) and `s` (the role resolver of the evaluation).
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sidegate.engine.functions.patterns import COMPILERS, compile_pattern, key_get, key_get2, key_get3, key_match
from sidegate.engine.functions.time_match import time_match
from sidegate.engine.language import operators
from sidegate.engine.language import tree as nodes
from sidegate.engine.language.entity import declared_property
from sidegate.engine.language.signatures import BUILT_INS
from sidegate.errors import EvaluationError
from sidegate.model.rules import MatchFunction

FILE: Final = "<matcher>"
"""The file name of all compiled code, by which a traceback shows it."""
PROPERTIES: Final = "properties"
"""The global of compiled code that maps a line to the properties that its node reads, as `properties_read` does."""
Closure: TypeAlias = Callable[[Sequence[object], Sequence[str], Sequence[Any], Any], Any]

_ARITHMETIC: Final = {
    "+": operators.add,
    "-": operators.subtract,
    "*": operators.multiply,
    "/": operators.divide,
    "//": operators.floor_divide,
    "%": operators.modulo,
}
_COMPARISONS: Final[Mapping[str, type[ast.cmpop]]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
}
_MEMBERSHIP: Final = {"in": operators.contains, "not in": operators.lacks}
_PLAIN_FUNCTIONS: Final[Mapping[str, MatchFunction]] = {
    "keyMatch": key_match,
    "keyGet": key_get,
    "keyGet2": key_get2,
    "keyGet3": key_get3,
    "timeMatch": time_match,
}
BOUND_PATTERNS: Final = frozenset(COMPILERS) - {"keyMatch"}


@dataclass(frozen=True, slots=True)
class Binding:
    """A condition or pattern in a column, compiled once for each rule.

    `function` is that of the pattern, or `eval` with the request section that the condition reads.
    """

    function: str
    column: int


@dataclass(frozen=True, slots=True)
class Scope:
    """The names of a matcher: field -> position in `r` and `p`, binding -> position in `c`, functions by name."""

    request: str
    fields: Mapping[nodes.Field, int]
    functions: Mapping[str, MatchFunction]
    roles: Container[str]
    bindings: Mapping[Binding, int] = field(default_factory=dict)

    def binding(self, node: nodes.Node) -> Binding | None:
        """Return the binding of a node that is compiled for each rule, None for other nodes."""
        match node:
            case nodes.Condition(field=held):
                return Binding(f"eval {self.request}", self.fields[held])
            case nodes.Call(function=function, arguments=(_, nodes.Field() as held)) if (
                held.of_rule and function in BOUND_PATTERNS and function not in self.functions
            ):
                return Binding(function, self.fields[held])
        return None


def compile_tree(tree: nodes.Node, scope: Scope) -> Closure:
    """Compile a tree to a function that returns its value, or raises any exception."""
    writer = _Writer(scope)
    return writer.function(writer.write(tree))


def compile_template(
    tree: nodes.Node, literals: Sequence[nodes.Literal], scope: Scope
) -> tuple[Callable[..., Closure], Closure]:
    """Compile a tree to a function that takes the values of `literals` and returns what `compile_tree` would.

    Also returns the function for the values in the tree.
    """
    writer = _Writer(scope, literals)
    template = writer.template(writer.write(tree))
    return template, template(*(literal.value for literal in literals))


def compile_values(trees: Iterable[nodes.Node], scope: Scope) -> Closure:
    """Compile trees to a function that returns the tuple of their values."""
    writer = _Writer(scope)
    return writer.function(ast.Tuple([writer.write(tree) for tree in trees], ast.Load()))


class _Writer:
    """Writes one function; `_known` maps each name that it uses to an object."""

    def __init__(self, scope: Scope, literals: Sequence[nodes.Literal] = ()) -> None:
        self._scope = scope
        self._positions = {id(literal): f"l{position}" for position, literal in enumerate(literals)}
        self._properties: dict[int, tuple[tuple[int, str], ...]] = {}
        self._known: dict[str, object] = {"__builtins__": {}, PROPERTIES: self._properties}
        self._lines = itertools.count(2)
        self._names = (f"k{number}" for number in itertools.count())

    def function(self, body: ast.expr) -> Closure:
        closure: Closure = self._evaluated(_lambda("rpcs", body))
        return closure

    def template(self, body: ast.expr) -> Callable[..., Closure]:
        template: Callable[..., Closure] = self._evaluated(_lambda(self._positions.values(), _lambda("rpcs", body)))
        return template

    def _evaluated(self, expression: ast.expr) -> Any:
        code = compile(ast.fix_missing_locations(ast.Expression(expression)), FILE, "eval")
        return eval(code, self._known)  # noqa: S307 - a syntax tree that this module builds node by node

    def write(self, node: nodes.Node) -> ast.expr:
        """Write a node on a line of its own, by which a traceback says what failed."""
        written = self._written(node)
        written.lineno = written.end_lineno = line = next(self._lines)
        written.col_offset = written.end_col_offset = 0
        if read := properties_read(node, self._scope.fields):
            self._properties[line] = read
        return written

    def _written(self, node: nodes.Node) -> ast.expr:  # noqa: C901, PLR0912 - one case for each kind of node
        match node:
            case nodes.Literal(value=value):
                position = self._positions.get(id(node))
                return ast.Constant(value) if position is None else _name(position)
            case nodes.Field():
                return _element("p" if node.of_rule else "r", self._scope.fields[node])
            case nodes.Attribute(of=of, name=name):
                return self._call(declared_property, self.write(of), ast.Constant(name))
            case nodes.Item(of=of, key=key):
                return self._call(operators.item_of, self.write(of), self.write(key))
            case nodes.Not(operand=operand):
                return ast.UnaryOp(ast.Not(), self.write(operand))
            case nodes.Sign(operator=operator, operand=operand):
                return ast.UnaryOp(ast.USub() if operator == "-" else ast.UAdd(), self.write(operand))
            case nodes.Arithmetic(operator=operator, left=left, right=right):
                return self._call(_ARITHMETIC[operator], self.write(left), self.write(right))
            case nodes.Comparison():
                return self._comparison(node)
            case nodes.And(parts=parts):
                return ast.BoolOp(ast.And(), [self.write(part) for part in parts])
            case nodes.Or(parts=parts):
                return ast.BoolOp(ast.Or(), [self.write(part) for part in parts])
            case nodes.Choice(test=test, then=then, otherwise=otherwise):
                return ast.IfExp(self.write(test), self.write(then), self.write(otherwise))
            case nodes.Series(items=items, ordered_as=kind):
                written = [self.write(item) for item in items]
                return ast.Tuple(written, ast.Load()) if kind is tuple else ast.List(written, ast.Load())
            case nodes.Condition():
                return ast.Call(self._bound(node), [_name(letter) for letter in "rpcs"], [])
            case nodes.Call():
                return self._function(node)

    def _comparison(self, node: nodes.Comparison) -> ast.expr:
        (operator, right), *others = node.rest
        if operator in _MEMBERSHIP and not others:
            return self._call(_MEMBERSHIP[operator], self.write(node.first), self.write(right))
        marks = [_COMPARISONS[mark]() for mark, _ in node.rest]
        return ast.Compare(self.write(node.first), marks, [self.write(part) for _, part in node.rest])

    def _function(self, node: nodes.Call) -> ast.expr:
        name, arguments = node.function, node.arguments
        if name in self._scope.roles:
            method = ast.Attribute(_name("s"), "has_role", ast.Load())
            return ast.Call(method, [ast.Constant(name), *map(self.write, arguments)], [])
        if name in self._scope.functions:
            return self._call(self._scope.functions[name], *map(self.write, arguments))
        if name in _PLAIN_FUNCTIONS:
            return self._call(_PLAIN_FUNCTIONS[name], *map(self.write, arguments))
        binding = self._scope.binding(node)
        if binding in self._scope.bindings:
            return ast.Call(self._bound(node), [self.write(arguments[0])], [])
        if isinstance(arguments[1], nodes.Literal) and isinstance(arguments[1].value, str):
            return self._call(compile_pattern(name, arguments[1].value), self.write(arguments[0]))
        return self._call(_match_request_pattern(name), *map(self.write, arguments))

    def _bound(self, node: nodes.Node) -> ast.expr:
        binding = self._scope.binding(node)
        assert binding is not None
        return _element("c", self._scope.bindings[binding])

    def _call(self, function: object, *arguments: ast.expr) -> ast.expr:
        name = next(self._names)
        self._known[name] = function
        return ast.Call(_name(name), list(arguments), [])


def properties_read(node: nodes.Node, fields: Mapping[nodes.Field, int]) -> tuple[tuple[int, str], ...]:
    """Return the properties of the request that a node reads, sorted: each the position of its value and its name."""
    parts = (part for part in nodes.walk(node) if isinstance(part, nodes.Attribute))
    found = ((part.of, part.name) for part in parts if isinstance(part.of, nodes.Field) and not part.of.of_rule)
    return tuple(sorted({(fields[field], name) for field, name in found}))


def _lambda(names: Iterable[str], body: ast.expr) -> ast.expr:
    return ast.Lambda(ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, []), body)


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _element(name: str, position: int) -> ast.expr:
    return ast.Subscript(_name(name), ast.Constant(position), ast.Load())


def _match_request_pattern(function: str) -> Callable[[object, object], bool]:
    """Return a function that compiles its pattern at each call, for patterns that come from the request."""

    def match(value: object, pattern: object) -> bool:
        if not isinstance(pattern, str):
            raise EvaluationError(f"{function}() needs a text as its pattern")
        try:
            compiled = compile_pattern(function, pattern)
        except ValueError as error:
            raise EvaluationError(f"{function}(): pattern `{pattern[:80]}`: {error}") from error
        return compiled(value)

    return match


assert frozenset(_PLAIN_FUNCTIONS) | frozenset(COMPILERS) == frozenset(BUILT_INS)
