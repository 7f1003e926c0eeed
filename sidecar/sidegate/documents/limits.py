"""How large a document may be, and how many of its errors are collected."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sidegate.errors import Fault

MAX_DEPTH: Final = 32
MAX_FAULTS: Final = 100
"""How many errors of one document are listed; the last entry says that there are more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most values that a document may hold; mappings, lists and what is in them count, keys do not.

    `advice` says what to do about a document with more.
    """

    values: int = sys.maxsize
    advice: str = "split it into several documents"

    def too_many_values(self) -> str:
        """Return the error of a document with more values."""
        return f"the document holds more than {self.values:,} values: {self.advice}"


UNLIMITED: Final = Limits()


def first_faults(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield the first faults, and where there are more, one that says so; no more than one of those is made."""
    remaining = iter(faults)
    yield from islice(remaining, MAX_FAULTS)
    for fault in islice(remaining, 1):
        yield Fault(fault.file, fault.line, "", f"and more errors from here on: the first {MAX_FAULTS} are listed")
