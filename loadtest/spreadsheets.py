"""What it costs to read a spreadsheet, of people and a harmful one, compared with openpyxl.

    python loadtest/spreadsheets.py     about a minute

Each line is a process of its own. Both are asked for no more rows than one request takes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from itertools import islice
from pathlib import Path
from time import process_time
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import load_workbook

from sidegate.errors import InvalidInput
from sidegate.membership.invitation_files import COLUMNS
from sidegate.spreadsheets.limits import Bounds
from sidegate.spreadsheets.read import read_sheet
from sidegate.spreadsheets.write import empty_sheet

_SHEET = "xl/worksheets/sheet1.xml"
_ROWS = 10_000
_HEAD = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'


def people(rows: int) -> Iterator[str]:
    """Yield a table of people, without the size that a sheet may declare."""
    for number in range(1, rows + 1):
        texts = COLUMNS if number == 1 else (f"m{number}@acme.example", "", "", f"Member {number}", "member", "")
        cells = "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts)
        yield f'<row r="{number}">{cells}</row>'


FILES: Mapping[str, Callable[[], Iterator[str]]] = {
    "10,000 people": lambda: people(_ROWS + 1),
    "100,000 people": lambda: people(100_000),
    "a row of two million empty cells": lambda: iter(("<row>", "<c/>" * 2_000_000, "</row>")),
    "two million levels": lambda: iter(("<row>", "<c>" * 2_000_000)),
}


def packed(rows: Iterator[str]) -> bytes:
    """Return a complete file with these rows."""
    made = BytesIO()
    with ZipFile(BytesIO(empty_sheet("People", COLUMNS))) as whole, ZipFile(made, "w", ZIP_DEFLATED) as file:
        for name in whole.namelist():
            sheet = f"{_HEAD}{''.join(rows)}</sheetData></worksheet>" if name == _SHEET else whole.read(name)
            file.writestr(name, sheet)
    return made.getvalue()


def by_sidegate(raw: bytes) -> str:
    """Read as the server does, but without its limit on the compression ratio, which refuses the last two files."""
    try:
        return f"{len(read_sheet(raw, bounds=Bounds(ratio=100_000)).rows)} rows"
    except InvalidInput as error:
        return "refused" if error.violations else ""


def by_openpyxl(raw: bytes) -> str:
    """Read with its mode for large files, up to the rows that are needed."""
    try:
        sheet = load_workbook(BytesIO(raw), read_only=True).worksheets[0]
        sheet.reset_dimensions()
        return f"{sum(1 for _ in islice(sheet.iter_rows(values_only=True), _ROWS + 1))} rows"
    except (SyntaxError, RecursionError) as error:
        return type(error).__name__


READERS: Mapping[str, Callable[[bytes], str]] = {"sidegate": by_sidegate, "openpyxl": by_openpyxl}


def peak() -> float:
    """Return the most memory that this process ever had, in MB; `getrusage` would count its parent's, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def read(reader: str) -> None:
    """Read the file on standard input; print outcome, seconds and MB as cells of the table."""
    raw = sys.stdin.buffer.read()
    held, began = peak(), process_time()
    found = READERS[reader](raw)
    print(f"{found} | {process_time() - began:.2f} | {peak() - held:.0f}")


def main() -> None:
    """Print the table, or read one file for it."""
    if len(sys.argv) > 1:
        read(sys.argv[1])
        return
    print("| file | reader | outcome | processor s | MB |\n|-|-|-|-:|-:|")
    for name, rows in FILES.items():
        raw = packed(rows())
        for reader in READERS:
            done = subprocess.run([sys.executable, __file__, reader], input=raw, capture_output=True, check=True)
            print(f"| {name} | {reader} | {done.stdout.decode().strip()} |")


if __name__ == "__main__":
    main()
