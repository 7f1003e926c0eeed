"""Tables of invitees: CSV and spreadsheets, with one header for both (EF-12)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from typing import Final

from sidegate.documents.suggestions import near, one_of
from sidegate.errors import InvalidInput, Violation
from sidegate.membership.invitation_rows import MAX_INVITEES, Invitee
from sidegate.spreadsheets.cells import Cell, Kind, Row, column_letters
from sidegate.spreadsheets.limits import Bounds
from sidegate.spreadsheets.read import Sheet, read_sheet

ADDRESSES: Final = ("email", "phone", "account")
COLUMNS: Final = (*ADDRESSES, "name", "roles", "groups")
"""The columns of a table; `roles` and `groups` hold names separated by semicolons."""
_BOUNDS: Final = Bounds(rows=MAX_INVITEES)
_ADVICE: Final = {
    Kind.NUMBER: "expected text, for a number loses a leading `+` or `0`: format the column as text and type it again",
    Kind.FORMULA: "expected the text itself, since formulas are not run",
}


def from_csv(text: str) -> Iterator[Invitee]:
    """Yield the invitees of a table with a header; the place of each is its line.

    Raises:
        InvalidInput: the header or the table itself is wrong.
    """
    reader = csv.reader(StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        header = _names_of_columns(next(reader, []), place="csv:1")
        for row in reader:
            if not any(map(str.strip, row)):
                continue
            place = f"csv:{reader.line_num}"
            invitee = _from_row(place, dict(zip(header, map(str.strip, row), strict=False)))
            if len(row) > len(header):
                fault = Violation(place, f"`{len(row)}` fields are too many: expected {len(header)}")
                invitee = replace(invitee, faults=(fault,))
            yield invitee
    except csv.Error as error:
        raise InvalidInput(Violation(f"csv:{reader.line_num}", f"not a table: {error}")) from error


def from_spreadsheet(raw: bytes, sheet: str = "") -> Iterator[Invitee]:
    """Yield the invitees of a sheet of an .xlsx file; the place of each is its row number in the spreadsheet.

    Every cell must be a text: formulas are not run, and numbers have lost their leading characters.

    Raises:
        InvalidInput: the file, the sheet or its header is wrong.
    """
    table = read_sheet(raw, sheet, bounds=_BOUNDS)
    head, *rows = table.rows or (Row(1, {}),)
    header = _header(head, table)
    for row in rows:
        values = {header[column]: cell.value for column, cell in row.cells.items() if column in header}
        yield replace(_from_row(_place(row), values), faults=(*_faults(row, header),))


def _header(head: Row, table: Sheet) -> Mapping[int, str]:
    """Return the names of a sheet's columns by their numbers."""
    place = _place(head)
    for column, cell in head.cells.items():
        if cell.kind is not Kind.TEXT:
            raise InvalidInput(_wrong_cell(place, _address(column, head), cell))
    names = _names_of_columns([cell.value for cell in head.cells.values()], place=place)
    for column, name in zip(head.cells, names, strict=True):
        if table.hides(column):
            message = f"column `{column_letters(column)}`, `{name}`, is hidden: show it, or delete it"
            raise InvalidInput(Violation(place, message))
    return dict(zip(head.cells, names, strict=True))


def _faults(row: Row, header: Mapping[int, str]) -> Iterator[Violation]:
    """Yield why a row may differ from what people see in the sheet."""
    place = _place(row)
    if row.hidden:
        yield Violation(place, "is hidden: show the row, or delete it")
    for column, cell in row.cells.items():
        address = _address(column, row)
        if column not in header:
            yield Violation(place, f"cell {address} is in a column without a name: expected its name in the header")
        elif cell.kind is not Kind.TEXT:
            yield _wrong_cell(f"{place}.{header[column]}", address, cell)


def _wrong_cell(field: str, address: str, cell: Cell) -> Violation:
    return Violation(field, f"cell {address} holds {cell.kind.value}: {_ADVICE.get(cell.kind, 'expected text')}")


def _names_of_columns(cells: Sequence[str], *, place: str) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    if not names:
        raise InvalidInput(Violation(place, f"is empty: expected a header of {', '.join(COLUMNS)}"))
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        hint = near(unknown[0], COLUMNS, one_of(COLUMNS))
        raise InvalidInput(Violation(place, f"unknown column `{unknown[0][:48]}`: {hint}"))
    if len(set(names)) < len(names):
        raise InvalidInput(Violation(place, "a column appears twice: expected each once"))
    if not set(names) & set(ADDRESSES):
        raise InvalidInput(Violation(place, f"no column has addresses: {one_of(ADDRESSES)}"))
    return names


def _from_row(place: str, row: Mapping[str, str]) -> Invitee:
    return Invitee(
        place,
        email=row.get("email", ""),
        phone=row.get("phone", ""),
        account=row.get("account", ""),
        name=row.get("name", ""),
        roles=_names(row.get("roles", "")),
        groups=_names(row.get("groups", "")),
    )


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in cell.split(";") if name.strip())


def _place(row: Row) -> str:
    return f"spreadsheet:{row.number}"


def _address(column: int, row: Row) -> str:
    return f"`{column_letters(column)}{row.number}`"
