"""CSV for spreadsheets: no cell is run as a formula, whichever separator the spreadsheet reads."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Final
from unicodedata import normalize

from sidegate.cli.shell.inputs import STDIN, unreadable

_SIGNS: Final = frozenset("=+-@")
_CONTROLS: Final = ("\t", "\r")
_SEPARATOR: Final = re.compile(r"(?<=[;\t\r\n])")
"""After these a spreadsheet may begin another cell: the semicolon and the tab separate cells in some languages."""
_HARMLESS: Final = re.compile(r"([0-9A-Za-z][^;\t\r\n]*)?")
"""Most cells: they begin with a letter or digit, and are not split."""
_QUOTED: Final = re.compile(r"[,;\"\t\r\n]|^\s|\s$")


def safe(cell: str) -> str:
    """Return a cell as spreadsheets take it for text.

    What would begin a formula gets an apostrophe before it, at the start of the cell and after each character at which
    a spreadsheet may split it. Signs count in every width, and after blanks, quotes and invisible characters.
    """
    if _HARMLESS.fullmatch(cell):
        return cell
    text = "".join(f"'{part}" if _begins_formula(part) else part for part in _SEPARATOR.split(cell))
    return f"'{text}" if text.startswith(_CONTROLS) else text


def _begins_formula(part: str) -> bool:
    first = next((one for one in part if one.isprintable() and one not in ' "'), "")
    return normalize("NFKC", first)[:1] in _SIGNS


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
    file.write(_line(headers))
    async for row in rows:
        file.write(_line(row))


def _line(cells: Sequence[str]) -> str:
    return (",".join(map(_field, cells)) or '""') + "\r\n"


def _field(cell: str) -> str:
    """Return a safe cell as it is written, in quotes where a separator of any language is in it."""
    text = safe(cell)
    if not _QUOTED.search(text):
        return text
    quoted = text.replace('"', '""')
    return f'"{quoted}"'
