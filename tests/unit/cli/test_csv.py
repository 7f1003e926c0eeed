"""CSV for spreadsheets."""

import csv
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.cli.report.csv import safe, write_sheet
from sidegate.cli.shell.failures import Failure

CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["=1+1", "+62812", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "a=1", '"=1', ",=1", "\n=1", ""]
)


async def rows(*lines):
    for line in lines:
        yield line


@given(cell=CELLS)
def test_no_cell_begins_a_formula_and_none_is_lost(cell: str) -> None:
    """A written cell never begins like a formula, and is the same but for an apostrophe."""
    written = safe(cell)
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert written in (cell, f"'{cell}")
    assert (written == cell) is not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


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
