"""The lines of a `policy.csv`, split as Casbin splits them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sidegate.errors import Fault, PackError
from sidegate.model.rules import Row

_MARK: Final = re.compile(r'["\[\]()]')
_BREAK: Final = re.compile(r"[,\[\]()]")
_QUOTED: Final = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?:,|$)')
"""A whole field in quotes, with the comma after it."""
_UNCLOSED: Final = re.compile(r'\s*"(?:[^"]|"")*$')
_OPENER: Final = {")": "(", "]": "["}
_SECTION: Final = re.compile(r"[pg]([2-9]|[1-9]\d+)?")
_BYTE_ORDER_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """A row with its line in the file, from 1."""

    line: int
    row: Row


def read_rows(text: str, file: str) -> list[NumberedRow]:
    """Return the rows of a `policy.csv`; blank lines and lines that start with `#` are skipped.

    Commas inside () and [] do not split, and `#` inside a line is data. A field that is quoted as a whole is read as
    CSV: its commas and brackets are data, and `""` is a quote. Quotes elsewhere are data.

    Raises:
        PackError: lines are wrong; names every one.
    """
    found: list[NumberedRow] = []
    faults: list[Fault] = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            found.append(NumberedRow(number, _row(line)))
        except ValueError as error:
            faults.append(Fault(file, number, "", str(error)))
    if faults:
        raise PackError(*faults)
    return found


def _row(line: str) -> Row:
    if line.startswith(_BYTE_ORDER_MARK):
        raise ValueError("the file starts with a byte order mark; save it as UTF-8 without one")
    if any(ord(character) < ord(" ") and character != "\t" for character in line):
        raise ValueError("the line has a control character")
    row = tuple(_split(line))
    if not _SECTION.fullmatch(row[0]):
        raise ValueError(f"`{row[0][:40]}` is not a section; a line starts with `p`, `g`, `p2`, `g2`, …")
    if len(row) == 1:
        raise ValueError(f"the line has no values after `{row[0]}`")
    return row


def _split(line: str) -> list[str]:
    """Return the fields of a line."""
    if not _MARK.search(line):
        return [value.strip() for value in line.split(",")]
    values: list[str] = []
    at = 0
    while True:
        value, end = _quoted_field(line, at) or _plain_field(line, at)
        values.append(value)
        if end is None:
            return values
        at = end


def _quoted_field(line: str, start: int) -> tuple[str, int | None] | None:
    """Return the value of a field in quotes and where the next one starts; None where quotes don't enclose it."""
    if _UNCLOSED.match(line, start):
        column = line.index('"', start) + 1
        raise ValueError(f"the quote at column {column} is never closed; inside of quotes a quote is written twice")
    found = _QUOTED.match(line, start)
    if found is None:
        return None
    return found[1].replace('""', '"'), found.end() if found[0].endswith(",") else None


def _plain_field(line: str, start: int) -> tuple[str, int | None]:
    """Return the value of a field up to the next comma outside of all brackets, and where the next one starts."""
    open_brackets: list[str] = []
    for found in _BREAK.finditer(line, start):
        mark = found[0]
        if mark in "([":
            open_brackets.append(mark)
        elif mark in ")]":
            if not open_brackets or open_brackets.pop() != _OPENER[mark]:
                raise ValueError(f"`{mark}` at column {found.start() + 1} closes no `{_OPENER[mark]}`")
        elif not open_brackets:
            return line[start : found.start()].strip(), found.end()
    if open_brackets:
        raise ValueError(f"`{open_brackets[-1]}` is never closed; it would hide the commas after it")
    return line[start:].strip(), None
