"""A sheet of an untrusted .xlsx file, as rows of texts.

The package is read as a stream within bounds, so that no file can take more memory or time than they allow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from sidegate.spreadsheets.archive import Archive
from sidegate.spreadsheets.cells import Cell, Cells, Kind, Row, is_within
from sidegate.spreadsheets.limits import DEFAULT_BOUNDS, Bounds, refused
from sidegate.spreadsheets.shared_strings import SharedTexts
from sidegate.spreadsheets.workbook import open_workbook
from sidegate.spreadsheets.xml import read_part


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a sheet that are not blank; `hidden_columns` are ranges, first and last, from 1."""

    name: str
    rows: Sequence[Row]
    hidden_columns: Sequence[tuple[int, int]] = ()

    def hides(self, column: int) -> bool:
        """Return whether a column is hidden."""
        return is_within(self.hidden_columns, column)


def read_sheet(
    raw: bytes, sheet: str = "", *, bounds: Bounds = DEFAULT_BOUNDS, clock: Callable[[], float] = monotonic
) -> Sheet:
    """Return the sheet of a name, for "" the only one that is shown.

    Raises:
        InvalidInput: the file is no .xlsx file, has no such sheet, or is over a bound.
    """
    archive = Archive(raw, bounds, clock=clock)
    workbook = open_workbook(archive)
    entry = workbook.sheet(sheet)
    cells = Cells(bounds)
    read_part(archive, entry.part, cells)
    wanted = frozenset(int(cell.value) for cell in _cells(cells.rows) if cell.kind is Kind.SHARED)
    shared = SharedTexts(bounds, wanted)
    if wanted and workbook.texts:
        read_part(archive, workbook.texts, shared)
    if missing := wanted - shared.found.keys():
        raise refused(f"has no shared text `{min(missing)}`: expected a whole .xlsx file")
    rows = [row for row in (_with_texts(row, shared.found) for row in cells.rows) if row.cells]
    if sum(len(cell.value) for cell in _cells(rows)) > bounds.texts:
        raise refused(f"holds more than {bounds.texts} characters: split it")
    return Sheet(entry.name, rows, cells.hidden_columns)


def _cells(rows: Sequence[Row]) -> list[Cell]:
    return [cell for row in rows for cell in row.cells.values()]


def _with_texts(row: Row, texts: dict[int, str]) -> Row:
    """Return a row with its shared texts, without the cells that they leave blank."""
    cells = {
        column: Cell(Kind.TEXT, texts[int(cell.value)]) if cell.kind is Kind.SHARED else cell
        for column, cell in row.cells.items()
    }
    return replace(
        row, cells={column: cell for column, cell in cells.items() if cell.value or cell.kind is Kind.FORMULA}
    )
