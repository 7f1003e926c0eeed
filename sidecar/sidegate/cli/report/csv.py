"""CSV for spreadsheets: no cell is run as a formula."""

from __future__ import annotations

import csv
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Final

from sidegate.cli.shell.inputs import STDIN, unreadable

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe(cell: str) -> str:
    """Return a cell as spreadsheets take it for text: one that would begin a formula gets a leading apostrophe."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


async def write_sheet(output: str, headers: Sequence[str], rows: AsyncIterator[Sequence[str]]) -> None:
    """Write rows as they come to a file, or to standard output for `-`; the file is there once it is whole.

    Raises:
        Failure: the file can't be written.
    """
    if output == STDIN:
        await _write(sys.stdout, headers, rows)
        return
    target = Path(output)
    partial = target.with_name(f"{target.name}.part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            await _write(file, headers, rows)
        partial.replace(target)
    except OSError as error:
        raise unreadable(output, error) from error
    finally:
        partial.unlink(missing_ok=True)


async def _write(file: IO[str], headers: Sequence[str], rows: AsyncIterator[Sequence[str]]) -> None:
    writer = csv.writer(file)
    writer.writerow(headers)
    async for row in rows:
        writer.writerow(map(safe, row))
