"""An empty table as an .xlsx file, for people to fill in."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Final

from openpyxl import Workbook
from openpyxl.styles import Font

from sidegate.spreadsheets.cells import column_letters

_TEXT: Final = "@"
"""The format of cells that store what is typed into them as text."""
_STRING: Final = "s"
_WIDTH: Final = 26


def empty_sheet(title: str, columns: Sequence[str]) -> bytes:
    """Return a sheet with only a header, whose columns store what is typed into them as text."""
    workbook = Workbook()
    sheet = workbook.worksheets[0]
    sheet.title = title
    sheet.freeze_panes = "A2"
    for number, name in enumerate(columns, start=1):
        cell = sheet.cell(1, number)
        cell.value, cell.data_type = name, _STRING  # as text, even if it begins like a formula
        cell.font = Font(bold=True)
        column = sheet.column_dimensions[column_letters(number)]
        column.number_format, column.width = _TEXT, _WIDTH
    written = BytesIO()
    workbook.save(written)
    return written.getvalue()
