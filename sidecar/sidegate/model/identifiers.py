"""The characters that identifiers may not contain: invisible ones, and ones that change how others are displayed."""

from __future__ import annotations

from typing import Final
from unicodedata import category, name

ACCOUNT_ID: Final = r"(?=.*[^\W\d])[^\s@*;,]+"
"""What an account ID looks like unless the deployment says otherwise: no blanks, no `@`, and at least one letter."""
_REFUSED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format and surrogate characters; separators of lines and paragraphs."""


def invisible_character(identifier: str) -> str | None:
    """Return the first refused character of an identifier, such as `U+200B ZERO WIDTH SPACE`; None without one."""
    if identifier.isprintable():
        return None
    found = next((one for one in identifier if category(one) in _REFUSED), None)
    return None if found is None else f"U+{ord(found):04X} {name(found, '')}".rstrip()


def refused_character(identifier: str) -> str | None:
    """Return why an identifier is refused, as errors say it; None where it has no invisible character."""
    found = invisible_character(identifier)
    if found is None:
        return None
    return f"`{escaped(identifier)}`: expected no {found}, which is invisible or changes other text"


def visible(text: str) -> str:
    """Return a text with its invisible characters as escapes, line ends included, so that none of them acts unseen."""
    return text if text.isprintable() else "".join(escaped(one) if invisible_character(one) else one for one in text)


def escaped(text: str) -> str:
    """Return a text with its characters that are not printable written as escapes, as Python writes them."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
