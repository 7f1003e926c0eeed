"""The cells of one sheet, with row numbers as the spreadsheet shows them; formulas are neither run nor trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sidegate.spreadsheets.limits import Bounds, refused, shown
from sidegate.spreadsheets.shared_strings import Texts, unescaped
from sidegate.spreadsheets.xml import Attributes, is_true

LAST_ROW: Final = 1_048_576
LAST_COLUMN: Final = 16_384
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_INDEX: Final = re.compile(r"[0-9]{1,9}")
_LETTERS: Final = 26


class Kind(Enum):
    """What a cell holds, in the words of an error."""

    TEXT = "a text"
    SHARED = "a shared text"
    NUMBER = "a number or a date"
    DATE = "a date"
    BOOLEAN = "a truth value"
    ERROR = "an error"
    FORMULA = "a formula"


_KINDS: Final = {
    "s": Kind.SHARED,
    "str": Kind.TEXT,
    "inlineStr": Kind.TEXT,
    "n": Kind.NUMBER,
    "d": Kind.DATE,
    "b": Kind.BOOLEAN,
    "e": Kind.ERROR,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that is not empty; `value` is its text, or the number of a shared text."""

    kind: Kind
    value: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is not empty: its cells by their columns, which count from 1; `hidden` if it is not displayed."""

    number: int
    cells: Mapping[int, Cell]
    hidden: bool = False


class Cells(Texts):
    """Gathers the rows of a sheet; the size that a sheet declares is ignored."""

    def __init__(self, bounds: Bounds) -> None:
        super().__init__(bounds)
        self.rows: list[Row] = []
        self.hidden_columns: list[tuple[int, int]] = []
        self._number = 0
        self._hidden = False
        self._cells: dict[int, Cell] = {}
        self._column = 0
        self._kind = Kind.TEXT

    def opened(self, name: str, attributes: Attributes) -> None:
        """Handle the start of an element of a sheet."""
        match name:
            case "c":
                self._open_cell(attributes)
            case "v":
                self.listening = True
            case "row":
                self._open_row(attributes)
            case "f":
                self._take_formula(attributes)
            case "col" if is_true(attributes.get("hidden", "")):
                self.hidden_columns.append((_column_in(attributes, "min"), _column_in(attributes, "max")))
            case "mergeCell":
                message = f"cells {shown(attributes.get('ref', ''))} are merged: expected a value in each cell"
                raise refused(message)
            case _:
                super().opened(name, attributes)

    def closed(self, name: str) -> None:
        """Handle the end of an element of a sheet."""
        match name:
            case "v":
                self.listening = False
            case "c":
                self._close_cell()
            case "row" if self._cells:
                self._close_row()
            case _:
                super().closed(name)

    def _open_row(self, attributes: Attributes) -> None:
        written = attributes.get("r", str(self._number + 1))
        number = int(written) if _INDEX.fullmatch(written) else 0
        if not self._number < number <= LAST_ROW:
            raise refused(f"has a row {shown(written)} after row {self._number}: expected rows in their order")
        self._number, self._hidden, self._column = number, is_true(attributes.get("hidden", "")), 0
        self._cells = {}

    def _open_cell(self, attributes: Attributes) -> None:
        written = attributes.get("r")
        self._column = self._column + 1 if written is None else self._placed(written)
        if self._column > LAST_COLUMN:
            raise refused(f"row {self._number} has more than {LAST_COLUMN} columns: expected a table")
        address = f"`{column_letters(self._column)}{self._number}`"
        if self._column in self._cells:
            raise refused(f"has the cell {address} twice: expected each once")
        kind = attributes.get("t", "n")
        if kind not in _KINDS:
            raise refused(f"has a cell {address} of a kind {shown(kind)}: expected text")
        self._kind = _KINDS[kind]
        self.begin()

    def _placed(self, written: str) -> int:
        found = _REFERENCE.fullmatch(written)
        if found is None or int(found[2]) != self._number:
            raise refused(f"has a cell {shown(written)} in row {self._number}: expected cells in their rows")
        return column_number(found[1])

    def _take_formula(self, attributes: Attributes) -> None:
        """Mark the cell as a formula; refuse one whose result fills other cells, since those have no mark."""
        self._kind = Kind.FORMULA
        area = attributes.get("ref", "")
        first, _, last = area.partition(":")
        if attributes.get("t") in {"array", "dataTable"} and last not in {"", first}:
            raise refused(f"cells {shown(area)} are the result of one formula: expected text in each cell")

    def _close_cell(self) -> None:
        text = self.text()
        value = unescaped(text).strip() if self._kind is Kind.TEXT else text
        if not value and self._kind is not Kind.FORMULA:
            return
        if self._kind is Kind.SHARED and not _INDEX.fullmatch(value):
            raise refused(f"has no shared text {shown(value)}: expected a whole .xlsx file")
        if len(self._cells) == self.bounds.cells_of_row:
            raise refused(f"row {self._number} holds more than {self.bounds.cells_of_row} values: expected a table")
        self._cells[self._column] = Cell(self._kind, value)

    def _close_row(self) -> None:
        if len(self.rows) > self.bounds.rows:
            raise refused(f"holds more than {self.bounds.rows} rows below its header: split it")
        self.rows.append(Row(self._number, self._cells, self._hidden))
        self._cells = {}


def column_number(letters: str) -> int:
    """Return the number of a column, from 1: that of `AB` is 28."""
    number = 0
    for letter in letters:
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number


def column_letters(number: int) -> str:
    """Return the letters of a column: those of 28 are `AB`."""
    letters = ""
    while number:
        number, remainder = divmod(number - 1, _LETTERS)
        letters = chr(ord("A") + remainder) + letters
    return letters


def is_within(ranges: Sequence[tuple[int, int]], column: int) -> bool:
    """Return whether a column lies in any of the ranges."""
    return any(first <= column <= last for first, last in ranges)


def _column_in(attributes: Attributes, name: str) -> int:
    written = attributes.get(name, "")
    if not _INDEX.fullmatch(written):
        raise refused(f"has columns from or to {shown(written)}: expected a number")
    return int(written)
