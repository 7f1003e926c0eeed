"""XML of a spreadsheet, read as a stream: no tree is built, no entity expanded, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from sidegate.spreadsheets.archive import Archive
from sidegate.spreadsheets.limits import DEFAULT_BOUNDS, Bounds, mebibytes, refused, shown

Attributes = Mapping[str, str]

_MAIN: Final = (
    "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}",
    "{http://purl.oclc.org/ooxml/spreadsheetml/main}",
)
RELATIONSHIPS: Final = (
    "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}",
    "{http://purl.oclc.org/ooxml/officeDocument/relationships}",
)
_PACKAGE: Final = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_KNOWN: Final = (*_MAIN, _PACKAGE)


class Target:
    """Receives the elements of a part; `opened` and `closed` are called with names without their namespace.

    Elements of foreign namespaces are skipped with their content.
    """

    def __init__(self, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self.bounds = bounds
        self._elements = 0
        self._depth = 0
        self._foreign_from = 0

    def opened(self, name: str, attributes: Attributes) -> None:
        """Handle the start of an element."""

    def closed(self, name: str) -> None:
        """Handle the end of an element."""

    def start(self, tag: str, attributes: Attributes) -> None:
        """Handle the start of an element from the parser."""
        self._elements += 1
        self._depth += 1
        if self._elements > self.bounds.elements or self._depth > self.bounds.depth:
            raise refused("holds too many or too deeply nested elements: expected a plain table")
        name = _local(tag)
        if not name and not self._foreign_from:
            self._foreign_from = self._depth
        if not self._foreign_from:
            self.opened(name, attributes)

    def end(self, tag: str) -> None:
        """Handle the end of an element from the parser."""
        if not self._foreign_from:
            self.closed(_local(tag))
        elif self._foreign_from == self._depth:
            self._foreign_from = 0
        self._depth -= 1

    def data(self, text: str) -> None:
        """Handle a piece of text from the parser."""

    def close(self) -> None:
        """Handle the end of the part."""


def read_part(archive: Archive, name: str, target: Target) -> None:
    """Read a part into a target.

    Raises:
        InvalidInput: it is not there, is not XML, or is over a bound.
    """
    parser = XMLParser(target=target, forbid_dtd=True)
    fed = 0
    try:
        for piece in archive.pieces(name):
            parser.feed(piece)
            fed += len(piece)
            # The parser reads an unfinished token again with each piece: the time grows with its square.
            if fed - parser.parser.CurrentByteIndex > archive.bounds.token:
                limit = mebibytes(archive.bounds.token)
                raise refused(f"has a piece of more than {limit} at {shown(name)}: expected a plain table")
        parser.close()
    except DefusedXmlException as error:
        raise refused(f"declares a document type at {shown(name)}: expected plain cells") from error
    except (ParseError, LookupError, ValueError) as error:
        raise refused(f"is not XML at {shown(name)}: expected a whole .xlsx file") from error


def is_true(value: str) -> bool:
    """Return the value of a boolean attribute."""
    return value in {"1", "true"}


def _local(tag: str) -> str:
    """Return the name of a spreadsheet element without its namespace, "" for others."""
    namespace, closing, name = tag.rpartition("}")
    return name if namespace + closing in _KNOWN else ""
