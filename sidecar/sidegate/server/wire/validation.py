"""The rules for requests: all violations are reported together, each with its field's path and what is expected."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sidegate.errors import InvalidInput, Violation
from sidegate.model.identifiers import escaped, invisible_character

SHOWN = 48
"""How many characters of a wrong value a message shows."""
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_IDENTIFIER = re.compile(r"(?![\s\ufeff])[^*\x00-\x1f\x7f-\x9f]+(?<![\s\ufeff])")
"""As in the JSON Schema of facts, whose `\\s` has the byte order mark among its whitespace."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a request may be.

    Lengths are in characters. `property_bytes` counts all properties of a request, in their wire form; other limits
    count the contents of one field, all nested.
    """

    identifier_length: int = 256
    word_length: int = 64
    depth: int = 5
    keys: int = 100
    items: int = 1000
    text_length: int = 4096
    property_bytes: int = 65_536


DEFAULT_LIMITS = Limits()


class Inspection:
    """Collects the violations of one request."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.found: list[Violation] = []
        self._property_bytes = 0

    def add(self, field: str, message: str) -> None:
        """Record a violation."""
        self.found.append(Violation(field, message))

    def properties(self, field: str, size: int) -> bool:
        """Count the bytes of a field of properties; return whether those of the request are few enough so far."""
        self._property_bytes += size
        limit = self.limits.property_bytes
        if self._property_bytes <= limit:
            return True
        self.add(field, f"holds too much: expected at most {limit} bytes of properties in one request")
        return False

    def identifier(self, field: str, value: str, *, any_allowed: bool = False, stored: bool = False) -> None:
        """Check an identifier; `any_allowed` accepts `*` alone, which means the type as a whole.

        `stored` is for reads and deletions: it accepts invisible characters, which older versions stored.
        """
        if any_allowed and value == "*":
            return
        limit = self.limits.identifier_length
        if len(value) <= limit and _IDENTIFIER.fullmatch(value):
            if not stored:
                self._visible(field, value)
            return
        whole = ", or `*` alone for the type as a whole" if any_allowed else ""
        expected = f"1 to {limit} characters without control characters, `*` or whitespace at the ends{whole}"
        self.add(field, f"{_shown(value)}: expected {expected}")

    def empty(self, field: str, value: str) -> None:
        """Check that a field is empty because the list fills it in."""
        if value:
            self.add(field, f"{quoted(value)} is not right: expected nothing, since the list finds it")

    def word(self, field: str, value: str, *, example: str) -> None:
        """Check a type or an action."""
        limit = self.limits.word_length
        if len(value) <= limit and _WORD.fullmatch(value):
            return
        expected = f"a word such as `{example}`: a-z, then a-z, 0-9 or _, up to {limit} characters"
        self.add(field, f"{_shown(value)}: expected {expected}")

    def author(self, field: str, value: str) -> None:
        """Check the name of an actor, which the history stores: a label without invisible characters."""
        self.label(field, value)
        if not _CONTROL.search(value):
            self._visible(field, value)

    def label(self, field: str, value: str) -> None:
        """Check a name for people, such as that of a file: it may be empty, but not hold control characters."""
        limit = self.limits.identifier_length
        if len(value) > limit or _CONTROL.search(value):
            self.add(field, f"{_shown(value)}: expected up to {limit} characters without control characters")

    def _visible(self, field: str, value: str) -> None:
        if found := invisible_character(value):
            self.add(field, f"{_shown(value)}: expected no {found}, which is invisible or changes other text")

    def finish(self) -> None:
        """Refuse the request if anything was found.

        Raises:
            InvalidInput: with everything that was found.
        """
        if self.found:
            raise InvalidInput(*self.found)


def quoted(value: str) -> str:
    """Return a value as messages show it: in backticks, shortened, in one line of visible characters."""
    short = value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"
    return f"`{escaped(short)}`"


def within_field(prefix: str, error: InvalidInput) -> InvalidInput:
    """Return the error with its fields placed inside `prefix`, such as `checks[3]`."""
    return InvalidInput(*(replace(v, field=f"{prefix}.{v.field}" if v.field else prefix) for v in error.violations))


def _shown(value: str) -> str:
    return f"{quoted(value)} is not right" if value else "is empty"
