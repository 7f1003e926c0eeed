"""The matchers of a model, parsed and checked, and the conditions that rules hold for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidegate.engine.casbin.context import EnforceContext
from sidegate.engine.casbin.model import Definition, MatcherText
from sidegate.engine.casbin.rows import shown
from sidegate.engine.functions.patterns import COMPILERS
from sidegate.engine.language.parser import MAX_CONDITION_LENGTH, Parser, Syntax
from sidegate.engine.language.signatures import check_calls
from sidegate.engine.language.tree import Call, Condition, Field, Literal, Node, fields, walk
from sidegate.errors import ModelError, RequestError, RowError
from sidegate.model.rules import Row


@dataclass(frozen=True, slots=True)
class Matcher:
    """One matcher: its tree, and the sections that it reads."""

    name: str
    tree: Node
    request: str
    policy: str

    def check(self, context: EnforceContext) -> None:
        """Refuse a context whose sections this matcher does not read.

        Raises:
            RequestError: the matcher reads other sections.
        """
        if (context.request, context.policy) != (self.request, self.policy):
            raise RequestError(f"matcher `{self.name}` reads `{self.request}` and `{self.policy}`")

    @property
    def conditions(self) -> frozenset[str]:
        """The fields of the rule that hold conditions."""
        return frozenset(node.field.name for node in walk(self.tree) if isinstance(node, Condition))

    @property
    def patterns(self) -> frozenset[tuple[str, str]]:
        """Each built-in function whose pattern a field of the rule holds, with that field."""
        found = set()
        for node in walk(self.tree):
            match node:
                case Call(function=function, arguments=(_, Field() as field)) if (
                    field.of_rule and function in COMPILERS
                ):
                    found.add((function, field.name))
        return frozenset(found)


def read_matchers(definition: Definition, calls: Mapping[str, int | None]) -> dict[str, Matcher]:
    """Parse every matcher of a model; `calls` maps each callable name to its number of arguments.

    Raises:
        ModelError: a matcher is wrong; `line` says where.
    """
    names = {**definition.requests, **definition.policies}
    parser = Parser(names, calls, conditions=True)
    found = {}
    for key, matcher in definition.matchers.items():
        try:
            tree = check_calls(parser.parse(matcher.text), calls)
        except Syntax as error:
            raise ModelError(f"matcher `{key}`: {error}", line=matcher.line) from error
        request = _section(tree, key, "r", matcher, definition.requests)
        policy = _section(tree, key, "p", matcher, definition.policies)
        found[key] = Matcher(key, tree, request, policy)
    return found


class ConditionReader:
    """Parses the conditions that the rows of one matcher's policy section hold, each text alone."""

    def __init__(self, matcher: Matcher, definition: Definition, calls: Mapping[str, int | None]) -> None:
        self._names = {
            matcher.request: definition.requests[matcher.request],
            matcher.policy: definition.policies[matcher.policy],
        }
        self._calls = calls

    def parse(self, text: str) -> tuple[Node, list[Literal]]:
        """Return the tree of a condition, and its strings and numbers in the order of the text.

        Raises:
            Syntax: the condition is wrong by itself.
        """
        parser = Parser(self._names, self._calls, conditions=False)
        return check_calls(parser.parse(text, limit=MAX_CONDITION_LENGTH), self._calls), parser.literals


def pattern_error(row: Row, text: str, error: ValueError, ordinal: int) -> RowError:
    """Return the error for a row whose pattern is wrong."""
    return RowError(f"pattern `{text[:80]}` in row {shown(row)}: {error}", ordinal=ordinal)


def condition_error(row: Row, text: str, error: ValueError, ordinal: int) -> RowError:
    """Return the error for a row whose condition is wrong."""
    return RowError(f"condition `{text[:80]}` in row {shown(row)}: {error}", ordinal=ordinal)


def _section(tree: Node, key: str, kind: str, matcher: MatcherText, defined: Mapping[str, object]) -> str:
    """Return the one request or policy section a matcher reads: the one it names, else that of its own number."""
    named = sorted({field.section for field in fields(tree) if field.section[0] == kind})
    if len(named) > 1:
        message = f"matcher `{key}` reads both `{named[0]}` and `{named[1]}`; one evaluation has one"
        raise ModelError(message, line=matcher.line)
    own = kind + key[1:]
    return named[0] if named else own if own in defined else kind
