"""The value of a condition as far as the type and the action of a request decide it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sidegate.engine.language.tree import And, Attribute, Comparison, Field, Literal, Node, Not, Or, Series


@dataclass(frozen=True, slots=True)
class _Constant:
    """A part of a condition whose value is the same for every request of the type and the action."""

    value: object


_TYPE: Final = Attribute(Field("r", "obj"), "type")
_ACTION: Final = Field("r", "act")


def fold_condition(condition: Node, *, type_: str, action: str) -> bool | None:
    """Return the value of a condition for every request of this type and action, None where requests differ."""
    found = _fold(condition, type_, action)
    return bool(found.value) if found else None


def _fold(node: Node, type_: str, action: str) -> _Constant | None:
    if node == _TYPE:
        return _Constant(type_)
    if node == _ACTION:
        return _Constant(action)
    match node:
        case Literal(value=value):
            return _Constant(value)
        case Not(operand=operand):
            found = _fold(operand, type_, action)
            return _Constant(not found.value) if found else None
        case And(parts=parts):
            return _joined([_fold(part, type_, action) for part in parts], decisive=False)
        case Or(parts=parts):
            return _joined([_fold(part, type_, action) for part in parts], decisive=True)
        case Comparison(first=first, rest=((operator, right),)):
            return _compared(_fold(first, type_, action), operator, _items(right, type_, action))
    return None


def _joined(parts: Sequence[_Constant | None], *, decisive: bool) -> _Constant | None:
    """Join the parts of `&&` (False decides) or `||` (True decides)."""
    if any(part and part.value is decisive for part in parts):
        return _Constant(decisive)
    return _Constant(not decisive) if all(parts) else None


def _items(node: Node, type_: str, action: str) -> _Constant | None:
    """Fold the right side of a comparison, which may be a list."""
    if not isinstance(node, Series):
        return _fold(node, type_, action)
    parts = [_fold(item, type_, action) for item in node.items]
    return _Constant([part.value for part in parts if part]) if all(parts) else None


def _compared(left: _Constant | None, operator: str, right: _Constant | None) -> _Constant | None:
    if left is None or right is None:
        return None
    match operator:
        case "==":
            return _Constant(left.value == right.value)
        case "!=":
            return _Constant(left.value != right.value)
        case "in" if isinstance(right.value, list):
            return _Constant(left.value in right.value)
    return None
