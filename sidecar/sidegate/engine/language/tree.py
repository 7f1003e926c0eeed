"""The tree of a matcher or a rule's condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, True, False or None."""

    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the request (`r.sub`) or of the rule (`p.obj`), with its section, such as `r` or `p2`."""

    section: str
    name: str

    @property
    def of_rule(self) -> bool:
        """Whether the field is one of the rule, not of the request."""
        return self.section[0] == "p"


@dataclass(frozen=True, slots=True)
class Attribute:
    """A declared property of a value: `r.sub.age`."""

    of: Node
    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """An element of a list or mapping: `r.obj["tags"]`."""

    of: Node
    key: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a built-in, registered or role function."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """`eval(p.cond)`: the condition in a field of the rule."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    """`!x`, which binds as loosely as Python's `not`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Sign:
    """`-x` or `+x`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`x + y` and the like."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Comparison:
    """`x < y`, or a chain of them; `not in` is one operator."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class And:
    """`x && y && …`: the first falsy operand, or the last."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """`x || y || …`: the first truthy operand, or the last."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`then if test else otherwise`."""

    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Series:
    """A tuple or list display."""

    items: tuple[Node, ...]
    ordered_as: type[tuple[object, ...] | list[object]]


Node: TypeAlias = (
    Literal
    | Field
    | Attribute
    | Item
    | Call
    | Condition
    | Not
    | Sign
    | Arithmetic
    | Comparison
    | And
    | Or
    | Choice
    | Series
)


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct parts of a node, left to right."""
    match node:
        case Literal() | Field():
            return ()
        case Attribute(of=only) | Condition(field=only) | Not(operand=only) | Sign(operand=only):
            return (only,)
        case Item(of=first, key=second) | Arithmetic(left=first, right=second):
            return first, second
        case Comparison(first=first, rest=rest):
            return first, *(node for _, node in rest)
        case Call(arguments=parts) | And(parts=parts) | Or(parts=parts) | Series(items=parts):
            return parts
        case Choice(test=test, then=then, otherwise=otherwise):
            return test, then, otherwise


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all of its parts."""
    waiting: list[Node] = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(children(current))


def fields(node: Node) -> frozenset[Field]:
    """Return every request and rule field that a tree mentions."""
    return frozenset(part for part in walk(node) if isinstance(part, Field))
