"""How much of an untrusted file is read, and how its errors are reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sidegate.errors import InvalidInput, Violation

FIELD: Final = "spreadsheet"
"""Where a request holds the file, for errors."""
_MIB: Final = 1024 * 1024
_SHOWN: Final = 48


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is read; sizes in bytes, texts in characters. What is over any of them is refused, never cut."""

    packed: int = 8 * _MIB
    unpacked: int = 64 * _MIB
    ratio: int = 200
    parts: int = 1_000
    depth: int = 64
    elements: int = 1_000_000
    token: int = _MIB
    rows: int = 10_000
    cells_of_row: int = 100
    text: int = 32_767  # what Excel lets a cell hold
    texts: int = 4_000_000
    seconds: float = 10.0


DEFAULT_BOUNDS: Final = Bounds()


def refused(message: str, *, field: str = FIELD) -> InvalidInput:
    """Return the error of a file that is not read."""
    return InvalidInput(Violation(field, message))


def mebibytes(size: int) -> str:
    """Return a size as shown in messages."""
    return f"{size / _MIB:.1f} MiB"


def shown(name: str) -> str:
    """Return a name from inside a file as messages show it: in backticks, short, in visible characters."""
    short = name if len(name) <= _SHOWN else name[: _SHOWN - 1] + "…"
    return f"`{''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in short)}`"
