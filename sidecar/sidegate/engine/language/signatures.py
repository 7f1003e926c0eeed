"""The functions that a matcher may call, by name, with their numbers of arguments."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sidegate.engine.casbin.model import Definition
from sidegate.engine.language.parser import Syntax
from sidegate.engine.language.tree import Call, Node, walk
from sidegate.model.rules import MatchFunction

BUILT_INS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "keyMatch": 2,
        "keyMatch2": 2,
        "keyMatch3": 2,
        "keyMatch4": 2,
        "keyMatch5": 2,
        "keyGet": 2,
        "keyGet2": 3,
        "keyGet3": 3,
        "regexMatch": 2,
        "ipMatch": 2,
        "globMatch": 2,
        "timeMatch": 2,
    }
)

OF_THE_CLOCK: Final = frozenset({"timeMatch"})
"""The built-ins whose answer depends on more than their arguments."""


def signatures(definition: Definition, functions: Mapping[str, MatchFunction]) -> dict[str, int | None]:
    """Return name -> number of arguments, None for registered functions, which check their own."""
    roles = {name: 3 if role.domain else 2 for name, role in definition.roles.items()}
    return {**BUILT_INS, **dict.fromkeys(functions), **roles}


def check_calls(tree: Node, known: Mapping[str, int | None]) -> Node:
    """Return the tree if each call in it has the right number of arguments.

    Raises:
        Syntax: a call with too few or too many.
    """
    for node in walk(tree):
        if isinstance(node, Call):
            wanted = known[node.function]
            if wanted is not None and wanted != len(node.arguments):
                raise Syntax(f"{node.function}() takes {wanted} arguments, not {len(node.arguments)}")
    return tree
