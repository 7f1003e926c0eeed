"""CSV for spreadsheets."""

import csv
import io
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.cli.report.csv import safe, write_sheet
from sidegate.cli.shell.failures import Failure

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
"""What begins a formula: signs, of full width, and small."""
CELLS = (
    st.text(st.characters(codec="utf-8"), max_size=8)
    | st.text(st.sampled_from(f"{SIGNS};,\"'\t\r\n a1\u200b\u00a0\u3000"), max_size=8)
    | st.sampled_from(
        ["=1+1", "+62812", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "a=1", '"=1', ",=1", "\n=1", "", "a;=1"]
    )
)
BLANK = ' "\t\r\n\u200b\u00a0\u3000'


def begins_formula(cell: str) -> bool:
    """Return whether a spreadsheet might run a cell, at its most eager."""
    return cell.startswith(("\t", "\r")) or cell.lstrip(BLANK).startswith((*SIGNS,))


async def rows(*lines):
    for line in lines:
        yield line


@given(cell=CELLS)
def test_no_cell_begins_a_formula_and_none_is_lost(cell: str) -> None:
    """A written cell never begins like a formula, and is the same but for apostrophes."""
    written = safe(cell)
    assert not begins_formula(written)
    assert written.replace("'", "") == cell.replace("'", "")
    if not any(sign in cell for sign in (*SIGNS, "\t", "\r")) and cell.isascii():
        assert written == cell


@given(cell=CELLS)
def test_what_a_sheet_makes_safe_stays_as_it_is(cell: str) -> None:
    """A safe cell needs no more apostrophes, so that a report of a report is the same."""
    assert safe(safe(cell)) == safe(cell)


@given(table=st.lists(st.tuples(CELLS, CELLS), max_size=4))
async def test_no_separator_makes_a_formula(tmp_path_factory: pytest.TempPathFactory, table) -> None:
    """A spreadsheet that splits lines at semicolons or tabs, with or without regard to quotes, finds none either."""
    path = tmp_path_factory.mktemp("sheet") / "sheet.csv"
    await write_sheet(str(path), ("a", "b"), rows(*table))
    text = path.read_bytes().decode()
    for separator in ";\t":
        read = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        naive = (line.split(separator) for line in re.split("[\r\n]", text))
        found = [cell.lstrip(BLANK) for row in (*read, *naive) for cell in row]
        assert [cell for cell in found if cell.startswith((*SIGNS,))] == []


@given(table=st.lists(st.tuples(CELLS, CELLS), max_size=4))
async def test_a_sheet_reads_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, table) -> None:
    """Quotes, commas and line ends inside cells stay inside them, and every cell is safe where a reader finds it."""
    path = tmp_path_factory.mktemp("sheet") / "sheet.csv"
    await write_sheet(str(path), ("a", "b"), rows(*table))
    with path.open(encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file)
    assert header == ["a", "b"]
    assert found == [[safe(cell) for cell in row] for row in table]


async def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    """Fifty thousand wide rows take a small part of their size in memory."""

    async def many():
        for number in range(50_000):
            yield (str(number), "x" * 200)

    tracemalloc.start()
    await write_sheet(str(tmp_path / "big.csv"), ("n", "x"), many())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "big.csv").stat().st_size > 10_000_000
    assert peak < 1_000_000


async def test_a_report_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    """A failure halfway leaves neither half a report nor a changed one."""

    async def broken():
        yield ("1",)
        raise Failure("no answer", exit_code=3)

    path = tmp_path / "report.csv"
    path.write_text("old")
    with pytest.raises(Failure):
        await write_sheet(str(path), ("n",), broken())
    assert path.read_text() == "old"
    assert not path.with_name("report.csv.part").exists()


async def test_an_unwritable_file_is_a_sentence(tmp_path: Path) -> None:
    """A directory that is not there is an error that names the file."""
    with pytest.raises(Failure, match="can't open"):
        await write_sheet(str(tmp_path / "none" / "a.csv"), ("n",), rows())
