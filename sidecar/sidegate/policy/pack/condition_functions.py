"""The functions of conditions, and the check of their arguments, so that no request makes them raise."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Final

from sidegate.documents.suggestions import nearest
from sidegate.engine.language.parser import Syntax
from sidegate.engine.language.signatures import BUILT_INS
from sidegate.engine.language.tree import Attribute, Call, Field, Literal, Node
from sidegate.policy.pack.condition_names import ConditionNames

_PATTERNS: Final = frozenset({"keyMatch2", "keyMatch3", "keyMatch4", "keyMatch5"})
FUNCTIONS: Final = _PATTERNS | {"keyMatch", "regexMatch", "ipMatch", "timeMatch", "g", "scope"}
ARITIES: Final[Mapping[str, int]] = {**BUILT_INS, "g": 3, "scope": 3}
_PLAIN_PATTERN: Final = re.compile(r"[^()\[\]\\+?|^$]*")
_ANY_TIME: Final = "_"


def check_call(call: Call, names: ConditionNames) -> None:
    """Check the arguments of a call, which are known to be texts.

    Raises:
        Syntax: the call could raise, or names a role or scope that is not declared.
    """
    match call.function:
        case "g":
            _check_role(call.arguments[1], call.arguments[2], names)
        case "scope":
            _check_scope(call.arguments, names)
        case "timeMatch":
            for argument in call.arguments:
                _check_literal(call.function, argument, _is_time, "`_` or a time such as `2026-01-31 00:00:00`")
        case "ipMatch":
            _check_address(call.arguments[0], names)
            _check_literal(
                call.function, call.arguments[1], _is_network, "an address or a network such as `10.0.0.0/8`"
            )
        case "regexMatch":
            _check_literal(call.function, call.arguments[1], _is_regex, "a regular expression")
        case function if function in _PATTERNS:
            _check_literal(function, call.arguments[1], _is_plain, "a path of words, `*`, `:name` and `{name}`")


def _check_literal(function: str, node: Node, accepts: Callable[[str], bool], wanted: str) -> None:
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        raise Syntax(f"the pattern of `{function}()` must be a literal, so that no request can choose it")
    if not accepts(node.value):
        raise Syntax(f"`{node.value}` in `{function}()` is not {wanted}")


def _check_address(node: Node, names: ConditionNames) -> None:
    """Refuse an argument that is no address by default, where the request sends no value."""
    match node:
        case Literal(str(text)):
            found = [text]
        case Attribute(Field("r", entity), name):
            found = [str(declared.default) for declared in names.declared(entity, name)]
        case _:
            found = [""]
    for text in found:
        if not _is_address(text):
            raise Syntax("`ipMatch()` raises where it gets no address; give the property a default such as `0.0.0.0`")


def _check_scope(arguments: tuple[Node, ...], names: ConditionNames) -> None:
    match arguments:
        case (Field("r", "obj"), Field("r", "dom"), Literal(str(name))):
            if name not in names.scopes:
                raise Syntax(f"`{name}` is no scope of what this row matches: {nearest(name, names.scopes)}")
        case _:
            raise Syntax('`scope()` is asked as in `scope(r.obj, r.dom, "tenant")`')


def _check_role(role: Node, domain: Node, names: ConditionNames) -> None:
    if not isinstance(role, Literal) or role.value not in names.roles:
        shown = str(role.value) if isinstance(role, Literal) else "…"
        raise Syntax(f"`g()` asks for a declared role, not `{shown}`: {nearest(shown, names.roles)}")
    of_tenant = domain == Attribute(Field("r", "dom"), "ref")
    if of_tenant and role.value not in names.tenant_roles:
        raise Syntax(f"role `{role.value}` is not held on the tenant: {nearest('', names.tenant_roles)}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _is_plain(text: str) -> bool:
    return _PLAIN_PATTERN.fullmatch(text) is not None


def _is_time(text: str) -> bool:
    if text == _ANY_TIME:
        return True
    try:
        datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - Casbin's times are those of the local clock
    except ValueError:
        return False
    return True
