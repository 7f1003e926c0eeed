"""The matchers of a model and the conditions of rules, parsed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidegate.engine.casbin.context import DEFAULT_CONTEXT, EnforceContext
from sidegate.engine.casbin.model import Definition
from sidegate.engine.casbin.rows import quoted
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
        """The fields of the rule that contain conditions."""
        return frozenset(node.field.name for node in walk(self.tree) if isinstance(node, Condition))

    @property
    def patterns(self) -> frozenset[tuple[str, str]]:
        """Each built-in function whose pattern is in a field of the rule, with that field."""
        found = set()
        for node in walk(self.tree):
            match node:
                case Call(function=function, arguments=(_, Field() as field)) if (
                    field.of_rule and function in COMPILERS
                ):
                    found.add((function, field.name))
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Matchers:
    """The matchers of a model by name; `unusable` says why a matcher can never be evaluated.

    A model with such a matcher loads where only a context could choose it: published models have them.
    """

    usable: Mapping[str, Matcher]
    unusable: Mapping[str, str]

    def chosen(self, context: EnforceContext) -> Matcher:
        """Return the matcher of a context.

        Raises:
            RequestError: the matcher can't be evaluated, or reads other sections than the context names.
        """
        if context.matcher in self.unusable:
            raise RequestError(self.unusable[context.matcher])
        matcher = self.usable[context.matcher]
        matcher.check(context)
        return matcher


def read_matchers(definition: Definition, calls: Mapping[str, int | None]) -> Matchers:
    """Parse every matcher of a model; `calls` maps each callable name to its number of arguments.

    Raises:
        ModelError: a matcher is wrong; `line` says where.
    """
    names = {**definition.requests, **definition.policies}
    parser = Parser(names, calls, conditions=True)
    usable: dict[str, Matcher] = {}
    unusable: dict[str, str] = {}
    for key, matcher in definition.matchers.items():
        try:
            tree = check_calls(parser.parse(matcher.text), calls)
        except Syntax as error:
            raise ModelError(f"matcher `{key}`: {error}", line=matcher.line) from error
        try:
            request = _section(tree, key, "r", definition.requests)
            policy = _section(tree, key, "p", definition.policies)
        except Syntax as error:
            if key == DEFAULT_CONTEXT.matcher:
                raise ModelError(str(error), line=matcher.line) from error
            unusable[key] = str(error)
        else:
            usable[key] = Matcher(key, tree, request, policy)
    return Matchers(usable, unusable)


class ConditionReader:
    """Parses the conditions in the rows of one matcher's policy section, each text alone."""

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
    return RowError(f"pattern `{text[:80]}` in row {quoted(row)}: {error}", ordinal=ordinal)


def condition_error(row: Row, text: str, error: ValueError, ordinal: int) -> RowError:
    """Return the error for a row whose condition is wrong."""
    return RowError(f"condition `{text[:80]}` in row {quoted(row)}: {error}", ordinal=ordinal)


def _section(tree: Node, key: str, kind: str, defined: Mapping[str, object]) -> str:
    """Return the one request or policy section a matcher reads: the one it names, else that of its own number.

    Raises:
        Syntax: the matcher names two.
    """
    named = sorted({field.section for field in fields(tree) if field.section[0] == kind})
    if len(named) > 1:
        name = min(field.name for field in fields(tree) if field.section == named[0])
        message = (
            f"matcher `{key}` reads both `{named[0]}` and `{named[1]}`, and one evaluation has one of them; "
            f"write `{named[1]}.{name}` for `{named[0]}.{name}`, or the other way round"
        )
        raise Syntax(message)
    own = kind + key[1:]
    return named[0] if named else own if own in defined else kind
