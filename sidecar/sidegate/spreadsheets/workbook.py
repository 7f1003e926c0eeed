"""Which sheets a spreadsheet has, and the paths of their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import dirname, join, normpath
from typing import Final

from sidegate.spreadsheets.archive import Archive
from sidegate.spreadsheets.limits import refused, shown
from sidegate.spreadsheets.xml import RELATIONSHIPS, Attributes, Target, read_part

_ROOT: Final = "_rels/.rels"
_OPEN_DOCUMENT: Final = "META-INF/manifest.xml"
_LISTED_NAMES: Final = 5
"""How many names an error lists."""


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A sheet as the workbook lists it; `part` holds its cells."""

    name: str
    part: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class Workbook:
    """The worksheets in their order; `texts` is the part with the texts that cells share, "" where there is none."""

    sheets: Sequence[SheetEntry]
    texts: str = ""

    def sheet(self, name: str) -> SheetEntry:
        """Return the sheet of a name, for "" the only one that is shown.

        Raises:
            InvalidInput: there is none of this name, it is hidden, or no name says which of several is meant.
        """
        visible = [sheet for sheet in self.sheets if not sheet.hidden]
        if not name:
            if len(visible) != 1:
                count = f"{len(visible)} sheets" if visible else "no visible sheet"
                raise refused(f"has {count}: expected one, or the name of {_names(visible)}", field="sheet")
            return visible[0]
        for sheet in self.sheets:
            if sheet.name == name and sheet.hidden:
                raise refused(f"{shown(name)} is hidden: show it, or name {_names(visible)}", field="sheet")
            if sheet.name == name:
                return sheet
        raise refused(f"there is no sheet {shown(name)}: expected {_names(visible)}", field="sheet")


def open_workbook(archive: Archive) -> Workbook:
    """Return the sheets that a spreadsheet lists.

    Raises:
        InvalidInput: it is no .xlsx file.
    """
    if _ROOT not in archive:
        of_others = ", but an OpenDocument" if _OPEN_DOCUMENT in archive else ""
        raise refused(f"is no .xlsx file{of_others}: save it as .xlsx")
    main = [target for kind, target in _relationships(archive, "").values() if kind == "officeDocument"]
    if len(main) != 1 or not main[0].endswith(".xml"):
        raise refused("is no .xlsx file: save it as .xlsx")
    listed = _Listed()
    read_part(archive, main[0], listed)
    if not listed.is_workbook:
        raise refused("is another document: expected a spreadsheet, saved as .xlsx")
    related = _relationships(archive, main[0])
    sheets = [
        SheetEntry(name, related[id_][1], hidden)
        for name, id_, hidden in listed.sheets
        if related.get(id_, ("", ""))[0] == "worksheet"
    ]
    texts = [target for kind, target in related.values() if kind == "sharedStrings"]
    return Workbook(sheets, texts[0] if texts else "")


class _Relations(Target):
    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder
        self.found: dict[str, tuple[str, str]] = {}

    def opened(self, name: str, attributes: Attributes) -> None:
        if name != "Relationship" or attributes.get("TargetMode") == "External":
            return
        # An absolute target makes `join` forget the folder.
        target = normpath(join("/", self._folder, attributes.get("Target", ""))).lstrip("/")
        self.found[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], target)


class _Listed(Target):
    def __init__(self) -> None:
        super().__init__()
        self.is_workbook = False
        self.sheets: list[tuple[str, str, bool]] = []

    def opened(self, name: str, attributes: Attributes) -> None:
        if name == "workbook":
            self.is_workbook = True
        if name == "sheet":
            ids = [attributes[f"{namespace}id"] for namespace in RELATIONSHIPS if f"{namespace}id" in attributes]
            hidden = attributes.get("state", "visible") != "visible"
            self.sheets.append((attributes.get("name", ""), ids[0] if ids else "", hidden))


def _relationships(archive: Archive, part: str) -> Mapping[str, tuple[str, str]]:
    """Return ID -> kind and target of what a part leads to; the part "" is the whole."""
    folder, name = dirname(part), part.rpartition("/")[2]
    path = join(folder, "_rels", f"{name}.rels")
    relations = _Relations(folder)
    if path in archive:
        read_part(archive, path, relations)
    return relations.found


def _names(sheets: Sequence[SheetEntry]) -> str:
    more = f" and {len(sheets) - _LISTED_NAMES} more" if len(sheets) > _LISTED_NAMES else ""
    return ", ".join(shown(sheet.name) for sheet in sheets[:_LISTED_NAMES]) + more if sheets else "a visible one"
