"""Parses the text of a matcher or condition to its tree.

expression = or ["if" or "else" expression]       or = and {"||" and}       and = not {"&&" not}
not = "!" not | comparison                        comparison = sum {operator sum}
sum = term {("+" | "-") term}                     term = sign {("*" | "/" | "//" | "%") sign}
sign = ("-" | "+") sign | path                    path = primary {"." name | "[" expression "]"}
primary = literal | r.field | p.field | name "(" {expression ","} ")" | "(" … ")" | "[" … "]"
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Container, Mapping
from typing import Final

from sidegate.engine.language.tokens import Token, tokenize
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

MAX_MATCHER_LENGTH: Final = 16_384
MAX_CONDITION_LENGTH: Final = 4_096
MAX_DEPTH: Final = 32
MAX_NUMBER_LENGTH: Final = 40

_SECTION: Final = re.compile(r"[rp]\d*")
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_CONSTANTS: Final[Mapping[str, bool | None]] = {"True": True, "False": False, "None": None}
_OTHER_LANGUAGES: Final = {"TRUE": "True", "FALSE": "False", "null": "None", "nil": "None", "none": "None"}
"""How a constant of another language is written here."""


class Syntax(ValueError):
    """The text is not of the matcher language; the message says what is expected."""


class Parser:
    """Parses one text; `names` maps each readable section to its fields, `functions` has the callable names."""

    def __init__(self, names: Mapping[str, Container[str]], functions: Container[str], *, conditions: bool) -> None:
        self._names = names
        self._functions = functions
        self._conditions = conditions
        self._tokens: list[Token] = []
        self._at = 0
        self._depth = 0
        self.literals: list[Literal] = []

    def parse(self, text: str, *, limit: int = MAX_MATCHER_LENGTH) -> Node:
        """Return the tree of `text`; `literals` is set to its strings and numbers, in the order of the text.

        Raises:
            Syntax: the text is wrong, longer than `limit`, or nested too deep.
        """
        if len(text) > limit:
            raise Syntax(f"{len(text)} characters; at most {limit} are allowed")
        try:
            self._tokens = tokenize(text)
        except ValueError as error:
            raise Syntax(str(error)) from None
        self._at = self._depth = 0
        self.literals = []
        tree = self._expression()
        if self._next.kind != "end":
            raise self._unexpected("an operator or the end")
        return tree

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *marks: str) -> str | None:
        """Consume the next word if it is one of `marks`."""
        token = self._next
        if token.kind != "mark" or token.text not in marks:
            return None
        self._at += 1
        return token.text

    def _need(self, mark: str) -> None:
        if self._take(mark) is None:
            raise self._unexpected(f"`{mark}`")

    def _unexpected(self, wanted: str) -> Syntax:
        token = self._next
        found = "the end" if token.kind == "end" else f"`{token.text[:40]}` at column {token.start + 1}"
        return Syntax(f"expected {wanted}, found {found}")

    def _deeper(self, rule: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Syntax(f"nested deeper than {MAX_DEPTH} levels")
        tree = rule()
        self._depth -= 1
        return tree

    def _chain(self, rule: Callable[[], Node], *marks: str) -> Node:
        """Read operands of left-binding operators; each operator makes the tree one level deeper."""
        tree, count = rule(), 0
        while operator := self._take(*marks):
            count += 1
            if count > MAX_DEPTH:
                raise Syntax(f"more than {MAX_DEPTH} of `{'`, `'.join(marks)}` in a row")
            tree = Arithmetic(operator, tree, rule())
        return tree

    def _expression(self) -> Node:
        return self._deeper(self._choice)

    def _choice(self) -> Node:
        then = self._any()
        if self._take("if") is None:
            return then
        test = self._any()
        self._need("else")
        return Choice(test, then, self._expression())

    def _any(self) -> Node:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Node:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Node:
        if self._take("not"):
            return Not(self._deeper(self._not))
        return self._comparison()

    def _comparison(self) -> Node:
        first = self._sum()
        rest: list[tuple[str, Node]] = []
        while operator := self._comparison_operator():
            right = self._sum()
            if operator.endswith("in"):
                _refuse_text(right)
            rest.append((operator, right))
        if len(rest) > 1 and any(operator.endswith("in") for operator, _ in rest):
            raise Syntax("`in` can't be part of a chain of comparisons; put one of them in parentheses")
        return Comparison(first, tuple(rest)) if rest else first

    def _comparison_operator(self) -> str | None:
        if self._take("not"):
            self._need("in")
            return "not in"
        return self._take(*_COMPARISONS)

    def _sum(self) -> Node:
        return self._chain(self._term, "+", "-")

    def _term(self) -> Node:
        return self._chain(self._sign, "*", "/", "//", "%")

    def _sign(self) -> Node:
        if operator := self._take("-", "+"):
            return Sign(operator, self._deeper(self._sign))
        return self._path()

    def _path(self) -> Node:
        tree, count = self._primary(), 0
        while mark := self._take(".", "["):
            count += 1
            if count > MAX_DEPTH:
                raise Syntax(f"a path of more than {MAX_DEPTH} steps")
            if mark == ".":
                tree = Attribute(tree, self._property())
            else:
                tree = Item(tree, self._expression())
                self._need("]")
        return tree

    def _property(self) -> str:
        token = self._next
        if token.kind != "name":
            raise self._unexpected("a property's name")
        if token.text.startswith("_"):
            raise Syntax(f"`{token.text}`: private names can't be read")
        self._at += 1
        if self._next.text == "(" and self._next.kind == "mark":
            raise Syntax(f"`{token.text}(`: methods can't be called")
        return token.text

    def _primary(self) -> Node:
        if self._take("("):
            return self._parenthesis()
        if self._take("["):
            items, _ = self._items("]")
            return Series(items, list)
        token = self._next
        if token.kind not in ("number", "string", "name"):
            raise self._unexpected("a value")
        self._at += 1
        if token.kind == "name":
            return self._name(token.text)
        literal = Literal(literal_value(token.text))
        self.literals.append(literal)
        return literal

    def _parenthesis(self) -> Node:
        items, comma = self._items(")")
        return items[0] if len(items) == 1 and not comma else Series(items, tuple)

    def _items(self, closing: str) -> tuple[tuple[Node, ...], bool]:
        """Parse expressions up to `closing`; also return whether a comma followed the last."""
        items: list[Node] = []
        comma = False
        while self._take(closing) is None:
            if items and not comma:
                raise self._unexpected(f"`,` or `{closing}`")
            items.append(self._expression())
            comma = self._take(",") is not None
        return tuple(items), comma

    def _name(self, name: str) -> Node:
        if name in _CONSTANTS:
            return Literal(_CONSTANTS[name])
        if self._take("("):
            return self._call(name)
        if name in _OTHER_LANGUAGES:
            raise Syntax(f"unknown name `{name}`; write `{_OTHER_LANGUAGES[name]}`")
        if not _SECTION.fullmatch(name):
            raise Syntax(f"unknown name `{name}`; values are r.field, p.field, literals, True, False and None")
        if name not in self._names:
            raise Syntax(f"`{name}` is not defined here; there is {', '.join(sorted(self._names))}")
        self._need(".")
        field = self._property()
        if field not in self._names[name]:
            raise Syntax(f"`{name}.{field}` is not defined")
        return Field(name, field)

    def _call(self, name: str) -> Node:
        arguments, _ = self._items(")")
        if name == "eval":
            match arguments:
                case (Field(section=section) as field,) if self._conditions and section[0] == "p":
                    return Condition(field)
            raise Syntax("eval() takes one field of the rule, as in eval(p.cond), and is allowed in matchers only")
        if name not in self._functions:
            raise Syntax(f"unknown function `{name}`")
        return Call(name, arguments)


def literal_value(text: str) -> str | float:
    """Return the value of a string or number as written.

    Raises:
        Syntax: the text is not a literal.
    """
    if text[0] in "'\"":
        return text[1:-1] if "\\" not in text else _string(text)
    if len(text) > MAX_NUMBER_LENGTH:
        raise Syntax(f"a number of more than {MAX_NUMBER_LENGTH} digits")
    if not text.isdigit():
        return float(text)
    if len(text) > 1 and text.startswith("0"):
        raise Syntax(f"`{text}`: a whole number starts with 1 to 9")
    return int(text)


def _string(text: str) -> str:
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        raise Syntax(f"`{text[:40]}` is not a string literal") from None
    assert isinstance(value, str)
    return value


def _refuse_text(right: Node) -> None:
    """Refuse `in` over a text, where it would find substrings."""
    if (isinstance(right, Field) and right.of_rule) or (isinstance(right, Literal) and isinstance(right.value, str)):
        raise Syntax("`in` needs a list such as ('read', 'write') on its right; in a text it would find substrings")
