"""What a pack's model.conf must define."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sidegate.engine.casbin.model import Combination, Definition, read_definition
from sidegate.engine.language.matchers import read_matchers
from sidegate.engine.language.signatures import signatures
from sidegate.engine.language.tokens import tokenize
from sidegate.errors import Fault, ModelError
from sidegate.policy.pack.scope_function import FUNCTIONS

REQUEST: Final = ("sub", "dom", "obj", "act", "env")
POLICY: Final = ("role", "scope", "type", "act", "cond", "eft", "rule")
STANDARD_MATCHER: Final = (
    "keyMatch(r.obj.type, p.type) && keyMatch(r.act, p.act) && "
    '(p.role == "*" || g(r.sub.ref, p.role, scope(r.obj, r.dom, p.scope))) && eval(p.cond)'
)
"""The matcher of packs, which the checks of rows assume; a pack with another one declares `matcher: custom`."""


def model_faults(text: str, file: str) -> tuple[Fault, ...]:
    """Return what is wrong with a pack's model."""
    try:
        definition = read_definition(text)
    except ModelError as error:
        return (Fault(file, error.line, "", str(error)),)
    found = [Fault(file, _line(text, key), key, message) for key, message in _departures(definition)]
    try:
        read_matchers(definition, signatures(definition, FUNCTIONS))
    except ModelError as error:
        found.append(Fault(file, error.line, "", str(error)))
    return tuple(found)


def is_standard(text: str) -> bool:
    """Return whether the matcher of a pack's model is the one that the checks of rows assume, token by token."""
    matchers = read_definition(text).matchers.values()
    return [_tokens(matcher.text) for matcher in matchers] == [_tokens(STANDARD_MATCHER)]


def matcher_faults(text: str, file: str, *, custom: bool) -> Iterator[Fault]:
    """Yield a fault where the matcher of a model is another one, and the pack does not declare that it is `custom`."""
    if not custom and not is_standard(text):
        message = f"expected `{STANDARD_MATCHER}`, or `matcher: custom` in pack.yaml for a matcher of the pack's own"
        yield Fault(file, _line(text, "m"), "m", message)


def _tokens(matcher: str) -> list[str]:
    """Return the words of a matcher, without the space between them; either quote is the same."""
    return [f'"{token.text[1:-1]}"' if token.kind == "string" else token.text for token in tokenize(matcher)]


def _departures(definition: Definition) -> Iterator[tuple[str, str]]:
    """Yield (key, message) of each definition that differs from what every pack needs."""
    wanted = {"r": REQUEST, "p": POLICY}
    for key, found in [*definition.requests.items(), *definition.policies.items()]:
        if key not in wanted:
            yield key, f"a pack's model has one request and one policy definition; leave `{key}` out"
        elif found != wanted[key]:
            yield key, f"`{', '.join(found)}` is not right: expected `{', '.join(wanted[key])}`"
    role = definition.roles.get("g")
    if role is None or not role.domain or role.window or len(definition.roles) > 1:
        yield "g", "a pack's model has the one role definition `g = _, _, _`"
    if list(definition.effects.values()) != [Combination.ALLOW_AND_DENY]:
        yield "e", f"a pack's effect is `{Combination.ALLOW_AND_DENY.value}`, so that nothing is allowed by default"
    if len(definition.matchers) > 1:
        yield "m2", "a pack's model has one matcher; leave `m2` out"


def _line(text: str, key: str) -> int:
    found = re.search(rf"^[ \t]*{key}[ \t]*=", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 0
