"""What commands print: colour and tables on a terminal, aligned text in a pipe, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sidegate.model.identifiers import invisible_character, visible

Cell = str | Text

_GAP = "  "
_LINES = 500


def console() -> Console:
    """Return the console of standard output; texts are printed as they are, never read as markup."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value as JSON; invisible characters are escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    click.echo(text if text.isascii() else "".join(map(_in_json, text)))


def print_lines(target: Console, lines: Iterable[Text]) -> None:
    """Print any number of lines: plain ones without the console, which takes far longer for each of them."""
    remaining = iter(lines)
    while batch := [*islice(remaining, _LINES)]:
        if target.is_terminal:
            target.print(Text("\n").join(batch))
        else:
            click.echo("\n".join(line.plain for line in batch))


def styled(text: str, style: str = "") -> Text:
    """Return a text to print in a style, with invisible characters as escapes."""
    return Text(visible(text), style)


def plain(struct: Struct) -> dict[str, object]:
    """Return the fields of a Struct, sorted by name; whole numbers, which a Struct stores as doubles, are integers."""
    if not struct.fields:
        return {}
    return {key: _whole(value) for key, value in sorted(MessageToDict(struct).items())}


def print_table(target: Console, headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table: ruled and wrapped to the width of a terminal, else one line a row in aligned columns."""
    if not target.is_terminal:
        _print_aligned([headers, *rows])
        return
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(visible(cell) if isinstance(cell, str) else cell for cell in row))
    target.print(table, soft_wrap=False)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _in_json(character: str) -> str:
    """Return a character of a JSON text; one that is invisible, which only a string can hold, as its escape."""
    seen = character.isascii() or not invisible_character(character)
    return character if seen else json.dumps(character)[1:-1]


def _print_aligned(rows: Sequence[Sequence[Cell]]) -> None:
    texts = [[visible(str(cell)) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        click.echo(_GAP.join(padded).rstrip())
