"""The lines of a `policy.csv`, split as Casbin splits them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sidegate.errors import Fault, PackError
from sidegate.model.rules import Row

_BREAK: Final = re.compile(r"[,\[\]()]")
_OPENER: Final = {")": "(", "]": "["}
_SECTION: Final = re.compile(r"[pg]([2-9]|[1-9]\d+)?")
_BYTE_ORDER_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """A row with the line (from 1) of the file it stands on."""

    line: int
    row: Row


def read_rows(text: str, file: str) -> list[NumberedRow]:
    """Return the rows of a `policy.csv`; blank lines and lines that start with `#` are skipped.

    Commas inside () and [] do not split, quotes have no meaning, and `#` inside a line is data.

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
        raise ValueError("the line holds a control character")
    row = tuple(_split(line))
    if not _SECTION.fullmatch(row[0]):
        raise ValueError(f"`{row[0][:40]}` is not a section; a line starts with `p`, `g`, `p2`, `g2`, …")
    if len(row) == 1:
        raise ValueError(f"the line holds nothing but `{row[0]}`")
    return row


def _split(line: str) -> list[str]:
    """Split at the commas that stand outside of all brackets."""
    values: list[str] = []
    opened: list[str] = []
    start = 0
    for found in _BREAK.finditer(line):
        mark = found[0]
        if mark in "([":
            opened.append(mark)
        elif mark in ")]":
            if not opened or opened.pop() != _OPENER[mark]:
                raise ValueError(f"`{mark}` at column {found.start() + 1} closes no `{_OPENER[mark]}`")
        elif not opened:
            values.append(line[start : found.start()].strip())
            start = found.end()
    if opened:
        raise ValueError(f"`{opened[-1]}` is never closed; it would hide the commas after it")
    return [*values, line[start:].strip()]
