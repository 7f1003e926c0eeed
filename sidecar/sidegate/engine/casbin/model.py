"""The model: its request, policy and role definitions, effects and matchers, read once from `model.conf`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sidegate.errors import ModelError


class Combination(Enum):
    """How the effects of the matching rules are combined; the value is Casbin's own spelling."""

    ALLOW_OVERRIDE = "some(where (p.eft == allow))"
    DENY_OVERRIDE = "!some(where (p.eft == deny))"
    ALLOW_AND_DENY = "some(where (p.eft == allow)) && !some(where (p.eft == deny))"
    PRIORITY = "priority(p.eft) || deny"
    SUBJECT_PRIORITY = "subjectPriority(p.eft) || deny"


@dataclass(frozen=True, slots=True)
class RoleDefinition:
    """`g = _, _, _, (_, _)`: two names, an optional domain, and an optional window of time."""

    domain: bool
    window: bool

    @property
    def width(self) -> int:
        """The number of values of a row."""
        return 2 + self.domain + 2 * self.window


@dataclass(frozen=True, slots=True)
class MatcherText:
    """A matcher as written, with its line in the model (0 where unknown)."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Definition:
    """A model, each kind by section name (`r`, `p2`)."""

    requests: Mapping[str, tuple[str, ...]]
    policies: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, RoleDefinition]
    effects: Mapping[str, Combination]
    matchers: Mapping[str, MatcherText]


_TITLES: Final = {
    "request_definition": "r",
    "policy_definition": "p",
    "role_definition": "g",
    "policy_effect": "e",
    "matchers": "m",
}
_EFFECTS: Final = {"".join(effect.value.split()): effect for effect in Combination}
_ROLES: Final = {
    "_,_": RoleDefinition(domain=False, window=False),
    "_,_,_": RoleDefinition(domain=True, window=False),
    "_,_,(_,_)": RoleDefinition(domain=False, window=True),
    "_,_,_,(_,_)": RoleDefinition(domain=True, window=True),
}
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LITERAL_OR_COMMENT: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\#;]""")
_MAX_LENGTH: Final = 65_536


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    value: str
    line: int


def read_definition(text: str) -> Definition:
    """Read the text of a `model.conf`.

    Raises:
        ModelError: the model is wrong; `line` says where.
    """
    if len(text) > _MAX_LENGTH:
        raise ModelError(f"the model has {len(text)} characters; at most {_MAX_LENGTH} are allowed")
    kinds: dict[str, dict[str, _Entry]] = {letter: {} for letter in _TITLES.values()}
    for letter, entry in _entries(text):
        _add_entry(kinds[letter], letter, entry)
    for title, letter in _TITLES.items():
        _check_numbering(title, letter, kinds[letter])
    definition = Definition(
        requests={key: _fields(entry) for key, entry in kinds["r"].items()},
        policies={key: _fields(entry) for key, entry in kinds["p"].items()},
        roles={key: _role(entry) for key, entry in kinds["g"].items()},
        effects={key: _effect(entry) for key, entry in kinds["e"].items()},
        matchers={key: MatcherText(entry.value, entry.line) for key, entry in kinds["m"].items()},
    )
    _check_together(definition)
    return definition


def _add_entry(section: dict[str, _Entry], letter: str, entry: _Entry) -> None:
    if not re.fullmatch(letter + r"([2-9]|[1-9]\d+)?", entry.key):
        raise ModelError(f"`{entry.key}` is not `{letter}`, `{letter}2`, …", line=entry.line)
    if entry.key in section:
        raise ModelError(f"`{entry.key}` is defined twice", line=entry.line)
    section[entry.key] = entry


def _entries(text: str) -> Iterator[tuple[str, _Entry]]:
    """Yield each `key = value` with the letter of its section, continued lines joined."""
    letter = ""
    for number, line in _logical_lines(text):
        if line.startswith("[") and line.endswith("]"):
            letter = _TITLES.get(line[1:-1], "")
            if not letter:
                raise ModelError(f"unknown section `{line}`; there is [{'], ['.join(_TITLES)}]", line=number)
            continue
        key, equals, value = line.partition("=")
        if not letter or not equals or not value.strip():
            raise ModelError(f"expected `key = value` under a [section], found `{line[:60]}`", line=number)
        yield letter, _Entry(key.strip(), value.strip(), number)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line without its comment and with its number, continued lines joined; blank lines are skipped."""
    if text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"):
        raise ModelError("the file starts with a byte order mark; save it as UTF-8 without one", line=1)
    continued, started = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not continued and (not line or line[0] in "#;"):
            continue
        started = started or number
        content = _without_comment(line)
        if content != line and (not content or line.endswith("\\") or content.endswith("\\")):
            message = "a comment can't be inside a line that `\\` continues; write it on a line of its own above"
            raise ModelError(message, line=number)
        if content.endswith("\\"):
            continued += content[:-1].strip() + " "
            continue
        yield started, continued + content
        continued, started = "", 0
    if continued:
        yield started, continued.strip()


def _without_comment(line: str) -> str:
    """Return a line up to the first `#` or `;` outside of a string literal."""
    for found in _LITERAL_OR_COMMENT.finditer(line):
        if found[0] in "#;":
            return line[: found.start()].rstrip()
    return line


def _check_numbering(title: str, letter: str, section: Mapping[str, _Entry]) -> None:
    if not section and letter != "g":
        raise ModelError(f"the model has no [{title}]")
    wanted = [letter, *(f"{letter}{number}" for number in range(2, len(section) + 1))]
    for key in wanted[: len(section)]:
        if key not in section:
            raise ModelError(f"[{title}] lacks `{key}`; sections are numbered without gaps")


def _fields(entry: _Entry) -> tuple[str, ...]:
    names = tuple(name.strip() for name in entry.value.split(","))
    for name in names:
        if not _FIELD.fullmatch(name):
            raise ModelError(f"`{name}` in `{entry.key}` is not a field's name", line=entry.line)
    if len(set(names)) != len(names):
        raise ModelError(f"`{entry.key}` names a field twice", line=entry.line)
    return names


def _role(entry: _Entry) -> RoleDefinition:
    found = _ROLES.get("".join(entry.value.split()))
    if found is None:
        message = f"`{entry.key} = {entry.value[:40]}`; a role is defined as `_, _`, with a domain as `_, _, _`"
        raise ModelError(message, line=entry.line)
    return found


def _effect(entry: _Entry) -> Combination:
    found = _EFFECTS.get("".join(entry.value.split()))
    if found is None:
        known = "`, `".join(effect.value for effect in Combination)
        raise ModelError(f"unknown effect `{entry.value[:80]}`; there is `{known}`", line=entry.line)
    return found


def _check_together(definition: Definition) -> None:
    if Combination.SUBJECT_PRIORITY in definition.effects.values():
        if "g" not in definition.roles or definition.roles["g"].window:
            raise ModelError("subjectPriority needs a role definition `g` without a window of time")
        if len(definition.policies) > 1 or len(definition.effects) > 1:
            raise ModelError("subjectPriority works with one policy definition and one effect")
    for effect in definition.effects:
        refuse_deny_without_effects(definition, effect, "p" + effect[1:])


def refuse_deny_without_effects(definition: Definition, effect: str, policy: str) -> None:
    """Refuse deny-override over rules that have no `eft` field and so can't deny.

    Raises:
        ModelError: it would allow everything.
    """
    blind = "eft" not in definition.policies.get(policy, ("eft",))
    if blind and definition.effects[effect] is Combination.DENY_OVERRIDE:
        raise ModelError(f"`{Combination.DENY_OVERRIDE.value}` allows everything where `{policy}` has no eft")
