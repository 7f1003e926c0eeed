"""Conditions that differ in their literals only share one compiled function: a hundred thousand `r.sub.age > 18`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from sidegate.engine.language.compiler import BOUND_PATTERNS, Closure, Scope, compile_template
from sidegate.engine.language.matchers import ConditionReader
from sidegate.engine.language.parser import MAX_CONDITION_LENGTH, literal_value
from sidegate.engine.language.tree import Call, Literal, walk

Template: TypeAlias = Callable[..., Closure]
"""Takes the values of the literals, in the order of the text."""
_LITERAL: Final = re.compile(
    r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])""", re.DOTALL
)
_MAX_TEMPLATES: Final = 1_024


class Templates:
    """Compiles the conditions of one matcher's rules; caches the shapes of conditions."""

    def __init__(self, reader: ConditionReader, scope: Scope) -> None:
        self._reader = reader
        self._scope = scope
        self._templates: dict[tuple[str, ...], Template] = {}

    def compile(self, text: str) -> Closure:
        """Compile a condition.

        Raises:
            Syntax: the condition is wrong by itself.
            ValueError: a pattern in it is wrong.
        """
        literals = _LITERAL.findall(text)
        shape = ("".join("s" if literal[0] in "'\"" else "n" for literal in literals), *_LITERAL.split(text))
        template = self._templates.get(shape)
        if template is not None and len(text) <= MAX_CONDITION_LENGTH:
            return template(*map(literal_value, literals))
        tree, found = self._reader.parse(text)
        template, closure = compile_template(tree, found, self._scope)
        fixed = any(isinstance(node, Call) and _pattern_is_literal(node) for node in walk(tree))
        if not fixed and [node.value for node in found] == list(map(literal_value, literals)):
            if len(self._templates) >= _MAX_TEMPLATES:
                self._templates.clear()
            self._templates[shape] = template
        return closure


def _pattern_is_literal(node: Call) -> bool:
    """Whether a pattern is compiled with the condition, so that another literal can't replace it."""
    return node.function in BOUND_PATTERNS and isinstance(node.arguments[1], Literal)
