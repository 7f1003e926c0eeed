"""The operators of conditions, without what is unsafe in Python's own: substrings, methods, unlimited texts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from sidegate.errors import EvaluationError

MAX_TEXT_LENGTH: Final = 100_000
MAX_BITS: Final = 4_096
_COLLECTIONS: Final = (list, tuple, set, frozenset, Mapping)


def contains(item: object, collection: object) -> bool:
    """Return whether a list or mapping holds an item.

    Raises:
        EvaluationError: the right side is a text, where Python would look for a substring, or no collection.
    """
    if not isinstance(collection, _COLLECTIONS):
        kind = type(collection).__name__
        raise EvaluationError(f"`in` needs a list or mapping on its right, not a value of type `{kind}`")
    return item in collection


def lacks(item: object, collection: object) -> bool:
    """Return whether a list or mapping does not hold an item.

    Raises:
        EvaluationError: as `contains`.
    """
    return not contains(item, collection)


def item_of(collection: object, key: object) -> object:
    """Return an element of a list, mapping or text.

    Raises:
        EvaluationError: no such element, or a value without elements.
    """
    if not isinstance(collection, (list, tuple, str, Mapping)):
        raise EvaluationError(f"a value of type `{type(collection).__name__}` has no elements")
    readable: Any = collection
    try:
        found: object = readable[key]
    except (LookupError, TypeError) as error:
        raise EvaluationError(f"no element {key!r}") from error
    return found


def add(left: object, right: object) -> object:
    """Return the sum of two numbers, or two texts joined.

    Raises:
        EvaluationError: other types, or a text that grows too long.
    """
    if isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MAX_TEXT_LENGTH:
            raise EvaluationError(f"a text of more than {MAX_TEXT_LENGTH} characters")
        return left + right
    return _add(left, right)


def _of_numbers(symbol: str, compute: Callable[[object, object], object]) -> Callable[[object, object], object]:
    def apply(left: object, right: object) -> object:
        for value in (left, right):
            if not isinstance(value, (int, float)):
                raise EvaluationError(f"`{symbol}` needs numbers, not a value of type `{type(value).__name__}`")
            if isinstance(value, int) and value.bit_length() > MAX_BITS:
                raise EvaluationError(f"`{symbol}` of a number of more than {MAX_BITS} bits")
        try:
            return compute(left, right)
        except ArithmeticError as error:
            raise EvaluationError(f"`{symbol}`: {error}") from error

    return apply


_add: Final = _of_numbers("+", operator.add)
subtract: Final = _of_numbers("-", operator.sub)
multiply: Final = _of_numbers("*", operator.mul)
divide: Final = _of_numbers("/", operator.truediv)
floor_divide: Final = _of_numbers("//", operator.floordiv)
modulo: Final = _of_numbers("%", operator.mod)
