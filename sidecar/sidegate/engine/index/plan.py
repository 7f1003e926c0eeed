"""The plan of a matcher: which conjuncts an index answers, and which are verified on the rules it finds."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from sidegate.engine.language.compiler import BOUND_PATTERNS
from sidegate.engine.language.matchers import Matcher
from sidegate.engine.language.tree import And, Call, Comparison, Field, Literal, Node, Or, Series, fields
from sidegate.engine.language.unparse import written


@dataclass(frozen=True, slots=True)
class ByValue:
    """Rules whose fields equal values of the request, all in one look-up."""

    pairs: tuple[tuple[Field, Node], ...]
    how = "by value"


@dataclass(frozen=True, slots=True)
class ByPrefix:
    """Rules whose `keyMatch` pattern matches a value: equal, or a prefix of it."""

    field: Field
    value: Node
    how = "by value and prefix"


@dataclass(frozen=True, slots=True)
class ByRole:
    """Rules whose field names a role that the subject holds in a domain, or one of a few constants.

    Where the domain depends on `given` fields of the rule, it is computed once for each of their values.
    """

    field: Field
    section: str
    subject: Node
    domain: Node | None
    given: tuple[Field, ...]
    constants: tuple[Node, ...]
    how = "by the subject's roles"


@dataclass(frozen=True, slots=True)
class ByPattern:
    """Rules grouped by their pattern, each distinct pattern matched once."""

    field: Field
    call: Call
    how = "by distinct pattern"


TRUE: Final = Literal(value=True)
"""The value of a conjunct that the index has answered."""
Access: TypeAlias = ByValue | ByPrefix | ByRole | ByPattern


@dataclass(frozen=True, slots=True)
class AlternativePlan:
    """How the rules of one alternative are found: accesses in order, each with the conjuncts that it answers."""

    conjuncts: tuple[Node, ...]
    steps: tuple[tuple[Access, frozenset[int]], ...]

    @property
    def remaining(self) -> tuple[Node, ...]:
        """The conjuncts that no step answers, in their order.

        Where a step answers the last conjunct, True replaces it, as the value of the whole.
        """
        covered = frozenset[int]().union(*(indexes for _, indexes in self.steps))
        left = [node for position, node in enumerate(self.conjuncts) if position not in covered]
        return (*left, TRUE) if len(self.conjuncts) - 1 in covered else tuple(left)

    @property
    def covered(self) -> tuple[Node, ...]:
        """The conjuncts that the steps answer, in the order of the steps."""
        return tuple(self.conjuncts[position] for _, indexes in self.steps for position in sorted(indexes))


@dataclass(frozen=True, slots=True)
class MatcherPlan:
    """The plans of one matcher, one for each alternative at its top."""

    matcher: Matcher
    alternatives: tuple[AlternativePlan, ...]

    @property
    def indexed(self) -> bool:
        """Whether every alternative finds its rules without a scan."""
        return all(alternative.steps for alternative in self.alternatives)

    def lines(self) -> Iterator[str]:
        """Yield the plan as text."""
        for number, alternative in enumerate(self.alternatives, start=1):
            title = f"matcher {self.matcher.name} on {self.matcher.policy}"
            yield title if len(self.alternatives) == 1 else f"{title}, alternative {number}"
            for access, covered in alternative.steps:
                conjuncts = " && ".join(written(alternative.conjuncts[position]) for position in sorted(covered))
                yield f"  index   {access.how}: {conjuncts}"
            left = [node for node in alternative.remaining if node is not TRUE]
            for node in left:
                yield f"  {'verify ' if alternative.steps else 'scan   '} {written(node)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a program uses each conjunct of its matchers; its text is the plan, line by line."""

    matchers: tuple[MatcherPlan, ...]

    @property
    def indexed(self) -> bool:
        """Whether no matcher scans its rules."""
        return all(matcher.indexed for matcher in self.matchers)

    def __str__(self) -> str:
        return "\n".join(line for matcher in self.matchers for line in matcher.lines())


def plan_matcher(matcher: Matcher, registered: Container[str], roles: Container[str]) -> MatcherPlan:
    """Plan a matcher; `registered` functions may hide built-in ones."""
    planner = _Planner(registered, roles)
    alternatives = _flat(matcher.tree, Or)
    return MatcherPlan(matcher, tuple(planner.alternative(alternative) for alternative in alternatives))


class _Planner:
    def __init__(self, registered: Container[str], roles: Container[str]) -> None:
        self._registered = registered
        self._roles = roles

    def alternative(self, tree: Node) -> AlternativePlan:
        conjuncts = tuple(_flat(tree, And))
        found = [(self._access(node), frozenset({position})) for position, node in enumerate(conjuncts)]
        values = [(access, covered) for access, covered in found if isinstance(access, ByValue)]
        steps: list[tuple[Access, frozenset[int]]] = []
        if values:
            pairs = tuple(pair for access, _ in values for pair in access.pairs)
            steps.append((ByValue(pairs), frozenset[int]().union(*(covered for _, covered in values))))
        for kind in (ByPrefix, ByRole, ByPattern):
            steps += [(access, covered) for access, covered in found if isinstance(access, kind)]
        return AlternativePlan(conjuncts, tuple(steps))

    def _access(self, node: Node) -> Access | None:
        match node:
            case Comparison(first=left, rest=(("==", right),)):
                return _by_value(left, right) or _by_value(right, left)
            case Call(function=function, arguments=(value, Field() as field, *domain)) if field.of_rule and _of_request(
                value
            ):
                return self._by_call(node, function, value, field, domain)
            case Or():
                return self._by_role_or_constant(node)
        return None

    def _by_call(self, node: Call, function: str, value: Node, field: Field, domain: list[Node]) -> Access | None:
        if function in self._roles:
            given = sorted({f for part in domain for f in fields(part) if f.of_rule}, key=lambda f: f.name)
            if field in given:
                return None
            return ByRole(field, function, value, domain[0] if domain else None, tuple(given), ())
        if function in self._registered:
            return None
        if function == "keyMatch":
            return ByPrefix(field, value)
        return ByPattern(field, node) if function in BOUND_PATTERNS else None

    def _by_role_or_constant(self, node: Or) -> ByRole | None:
        """Recognise `p.role == "*" || g(…, p.role, …)`: one field, one role function, and values of the request."""
        found = [self._access(part) for part in _flat(node, Or)]
        roles = [access for access in found if isinstance(access, ByRole) and not access.constants]
        values = [access for access in found if isinstance(access, ByValue)]
        if len(roles) != 1 or len(roles) + len(values) != len(found):
            return None
        role = roles[0]
        if any(field != role.field for access in values for field, _ in access.pairs):
            return None
        constants = tuple(value for access in values for _, value in access.pairs)
        return ByRole(role.field, role.section, role.subject, role.domain, role.given, constants)


def _by_value(field: Node, value: Node) -> ByValue | None:
    if isinstance(field, Field) and field.of_rule and _of_request(value):
        return ByValue(((field, value),))
    return None


def _of_request(node: Node) -> bool:
    """Whether a value depends on the request only."""
    return not isinstance(node, Series) and not any(field.of_rule for field in fields(node))


def _flat(node: Node, kind: type[And | Or]) -> list[Node]:
    """Return the operands of nested `&&` or `||`."""
    if not isinstance(node, kind):
        return [node]
    return [part for operand in node.parts for part in _flat(operand, kind)]
