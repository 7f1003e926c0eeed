"""The conditions of a pack's rows: a small language whose type check excludes run-time errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from sidegate.documents.suggestions import nearest
from sidegate.engine.language.parser import MAX_CONDITION_LENGTH, Parser, Syntax
from sidegate.engine.language.signatures import check_calls
from sidegate.engine.language.tree import (
    And,
    Attribute,
    Call,
    Comparison,
    Field,
    Literal,
    Node,
    Not,
    Or,
    Series,
    Sign,
    children,
)
from sidegate.policy.pack.condition_functions import ARITIES, FUNCTIONS, check_call
from sidegate.policy.pack.condition_names import ConditionNames
from sidegate.policy.pack.model_file import POLICY, REQUEST


class Kind(StrEnum):
    """The type of a part of a condition, in the words of error messages."""

    TEXT = "text"
    NUMBER = "a number"
    TRUTH = "true or false"
    LIST = "a list"


KINDS: Final[Mapping[str, Kind]] = {
    "string": Kind.TEXT,
    "integer": Kind.NUMBER,
    "number": Kind.NUMBER,
    "boolean": Kind.TRUTH,
    "list": Kind.LIST,
}
_NAMES: Final = {"r": REQUEST, "p": POLICY}
_ORDERED: Final = frozenset({Kind.TEXT, Kind.NUMBER})


def parse_condition(text: str) -> Node:
    """Return the tree of a condition.

    Raises:
        ValueError: the text is no condition; the message says what is expected.
    """
    return check_calls(Parser(_NAMES, ARITIES, conditions=False).parse(text, limit=MAX_CONDITION_LENGTH), ARITIES)


def properties_in(tree: Node) -> frozenset[tuple[str, str]]:
    """Return (request field, property) of each property that a condition reads, such as ("sub", "mfa")."""
    found: set[tuple[str, str]] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        waiting.extend(children(node))
        match node:
            case Attribute(of=Field(section="r", name=entity), name=name):
                found.add((entity, name))
            case _:
                pass
    return frozenset(found)


def condition_fault(text: str, names: ConditionNames) -> str | None:
    """Return what is wrong with a condition, None where it can be evaluated for every request."""
    try:
        kind = _TypeChecker(names).kind(parse_condition(text))
    except Syntax as error:
        return f"`{text[:80]}` is not a condition: {error}"
    if kind is not Kind.TRUTH:
        return f"`{text[:80]}` is not a condition: it is {kind}, not {Kind.TRUTH}"
    return None


class _TypeChecker:
    """Finds the type of each part of a condition."""

    def __init__(self, names: ConditionNames) -> None:
        self._names = names

    def kind(self, node: Node) -> Kind:
        """Return the type of a part.

        Raises:
            Syntax: a condition may not contain it.
        """
        match node:
            case Literal():
                return _literal(node)
            case Field():
                return self._field(node)
            case Attribute(of=Field(section="r", name=entity), name=name):
                return KINDS[self._names.declared(entity, name)[0].type]
            case Sign(operator="-", operand=Literal() as literal) if _literal(literal) is Kind.NUMBER:
                return Kind.NUMBER
            case Not(operand=operand):
                return self._truths((operand,))
            case And(parts=parts) | Or(parts=parts):
                return self._truths(parts)
            case Comparison(first=first, rest=((operator, right),)):
                return self._comparison(first, operator, right)
            case Call():
                return self._call(node)
        raise Syntax(_refused(node))

    def _field(self, node: Field) -> Kind:
        if node.of_rule:
            raise Syntax(f"`p.{node.name}` can't be read in a condition; name a property of the request")
        if node.name == "act":
            return Kind.TEXT
        raise Syntax(f"`r.{node.name}` alone; name a property, as in `r.{node.name}.id`")

    def _truths(self, parts: Iterable[Node]) -> Kind:
        for part in parts:
            kind = self.kind(part)
            if kind is not Kind.TRUTH:
                raise Syntax(f"`&&`, `||` and `!` take what is {Kind.TRUTH}, not {kind}")
        return Kind.TRUTH

    def _comparison(self, first: Node, operator: str, right: Node) -> Kind:
        left = self.kind(first)
        if operator in ("in", "not in"):
            return self._inside(left, operator, right)
        other = self.kind(right)
        if left is not other:
            raise Syntax(f"`{operator}` compares {left} with {other}")
        if operator not in ("==", "!=") and left not in _ORDERED:
            raise Syntax(f"`{operator}` takes numbers or texts, not {left}")
        return Kind.TRUTH

    def _inside(self, left: Kind, operator: str, right: Node) -> Kind:
        if operator == "not in":
            raise Syntax("`not in` is not spelled the same in every Casbin; write `!(… in …)`")
        inside = {self.kind(item) for item in right.items} if isinstance(right, Series) else set()
        if not isinstance(right, Series):
            if self.kind(right) is not Kind.LIST:
                raise Syntax("`in` needs a list on its right, such as ('read', 'write') or a property of type list")
            inside = {Kind.TEXT}
        for kind in inside - {left}:
            raise Syntax(f"`in` searches {left} among {kind}")
        return Kind.TRUTH

    def _call(self, node: Call) -> Kind:
        if node.function not in FUNCTIONS:
            raise Syntax(f"`{node.function}()` is not for conditions: {nearest(node.function, FUNCTIONS)}")
        if node.function == "scope":
            check_call(node, self._names)
            return Kind.TEXT
        for argument in node.arguments:
            kind = self.kind(argument)
            if kind is not Kind.TEXT:
                raise Syntax(f"`{node.function}()` takes texts, not {kind}")
        check_call(node, self._names)
        return Kind.TRUTH


def _literal(literal: Literal) -> Kind:
    if isinstance(literal.value, bool):
        return Kind.TRUTH
    if isinstance(literal.value, str):
        return Kind.TEXT
    if literal.value is None:
        raise Syntax("`None` is no value of a property; a missing one has its default")
    return Kind.NUMBER


_REFUSED: Final[Mapping[type[object], str]] = {
    Comparison: "one comparison at a time; join several by `&&`",
    Series: "a list is written on the right of `in` only",
}


def _refused(node: Node) -> str:
    allowed = "== != < <= > >= && || ! in, parentheses, literals and functions"
    return _REFUSED.get(type(node), f"there is only {allowed}")
