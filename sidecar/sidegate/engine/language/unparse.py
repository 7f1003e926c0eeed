"""Writes a tree as the text of a matcher."""

from __future__ import annotations

from sidegate.engine.language.tree import (
    And,
    Arithmetic,
    Attribute,
    Call,
    Choice,
    Comparison,
    Condition,
    Field,
    Item,
    Literal,
    Node,
    Not,
    Or,
    Series,
    Sign,
)


def written(node: Node) -> str:  # noqa: C901, PLR0912 - one case for each kind of node
    """Return the text of a tree, each operand that is not simple in parentheses."""
    match node:
        case Literal(value=value):
            return repr(value)
        case Field(section=section, name=name):
            return f"{section}.{name}"
        case Attribute(of=of, name=name):
            return f"{_inner(of)}.{name}"
        case Item(of=of, key=key):
            return f"{_inner(of)}[{written(key)}]"
        case Call(function=function, arguments=arguments):
            return f"{function}({_list(arguments)})"
        case Condition(field=field):
            return f"eval({written(field)})"
        case Not(operand=operand):
            return f"!{_inner(operand)}"
        case Sign(operator=operator, operand=operand):
            return f"{operator}{_inner(operand)}"
        case Arithmetic(operator=operator, left=left, right=right):
            return f"{_inner(left)} {operator} {_inner(right)}"
        case Comparison(first=first, rest=rest):
            return " ".join([_inner(first), *(f"{mark} {_inner(part)}" for mark, part in rest)])
        case And(parts=parts):
            return " && ".join(map(_inner, parts))
        case Or(parts=parts):
            return " || ".join(map(_inner, parts))
        case Choice(test=test, then=then, otherwise=otherwise):
            return f"{_inner(then)} if {_inner(test)} else {_inner(otherwise)}"
        case Series(items=items, ordered_as=kind):
            return f"[{_list(items)}]" if kind is list else f"({_list(items)}{',' * (len(items) == 1)})"


def _inner(node: Node) -> str:
    simple = isinstance(node, (Literal, Field, Attribute, Item, Call, Condition, Series))
    return written(node) if simple else f"({written(node)})"


def _list(items: tuple[Node, ...]) -> str:
    return ", ".join(map(written, items))
