"""The texts of cells, which most spreadsheets store in a separate part."""

from __future__ import annotations

import re
from typing import Final

from sidegate.spreadsheets.limits import DEFAULT_BOUNDS, Bounds, refused
from sidegate.spreadsheets.xml import Attributes, Target

_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SURROGATES: Final = range(0xD800, 0xE000)


class Texts(Target):
    """Gathers a text from its runs, without the phonetic hints that some runs have."""

    def __init__(self, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        super().__init__(bounds)
        self.listening = False
        self._phonetic = False
        self._runs: list[str] = []
        self._length = 0

    def begin(self) -> None:
        """Discard what was gathered."""
        self._runs, self._length = [], 0

    def text(self) -> str:
        """Return what was gathered."""
        return "".join(self._runs)

    def opened(self, name: str, attributes: Attributes) -> None:  # noqa: ARG002 - texts have no attributes that matter
        """Handle the start of an element of a text."""
        if name == "rPh":
            self._phonetic = True
        elif name == "t":
            self.listening = not self._phonetic

    def closed(self, name: str) -> None:
        """Handle the end of an element of a text."""
        if name == "rPh":
            self._phonetic = False
        elif name == "t":
            self.listening = False

    def data(self, text: str) -> None:
        """Handle a piece of text from the parser."""
        if not self.listening:
            return
        self._length += len(text)
        if self._length > self.bounds.text:
            raise refused(f"holds a text of more than {self.bounds.text} characters: expected names and addresses")
        self._runs.append(text)


class SharedTexts(Texts):
    """Stores the wanted shared texts by their numbers; the others take no memory."""

    def __init__(self, bounds: Bounds, wanted: frozenset[int]) -> None:
        super().__init__(bounds)
        self.found: dict[int, str] = {}
        self._wanted = wanted
        self._number = -1

    def opened(self, name: str, attributes: Attributes) -> None:
        """Handle the start of an element of the shared texts."""
        super().opened(name, attributes)
        if name == "si":
            self._number += 1
            self.begin()

    def closed(self, name: str) -> None:
        """Handle the end of an element of the shared texts."""
        super().closed(name)
        if name == "si" and self._number in self._wanted:
            self.found[self._number] = unescaped(self.text()).strip()


def unescaped(text: str) -> str:
    """Return a text with `_x000D_` and the like as the characters that they encode."""
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if code in _SURROGATES else chr(code)
