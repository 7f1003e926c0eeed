"""Spreadsheets, put together part by part, so that any part of them can be wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_RELATIONS = "http://purl.oclc.org/ooxml/officeDocument/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
SHEET = "xl/worksheets/sheet1.xml"
WORKBOOK = "xl/workbook.xml"
LINKS = "xl/_rels/workbook.xml.rels"
TEXTS = "xl/sharedStrings.xml"
Parts = dict[str, str | bytes]


def cell(reference: str, text: str) -> str:
    """Return a cell that holds its text itself."""
    return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def row(number: int, *texts: str, more: str = "", attributes: str = "") -> str:
    """Return a row of texts from column A on; `more` are cells after them."""
    cells = "".join(cell(f"{chr(ord('A') + column)}{number}", text) for column, text in enumerate(texts))
    return f'<row r="{number}" {attributes}>{cells}{more}</row>'


def sheet(*rows: str, before: str = "", after: str = "", namespace: str = MAIN) -> str:
    """Return the part of a sheet."""
    return f'<worksheet xmlns="{namespace}">{before}<sheetData>{"".join(rows)}</sheetData>{after}</worksheet>'


def links(*entries: tuple[str, str, str], base: str = RELATIONS) -> str:
    """Return a part of relationships: ID, kind and target of each."""
    listed = "".join(f'<Relationship Id="{id_}" Type="{base}/{kind}" Target="{to}"/>' for id_, kind, to in entries)
    return f'<Relationships xmlns="{PACKAGE}">{listed}</Relationships>'


def listing(*sheets: str, namespace: str = MAIN, relations: str = RELATIONS) -> str:
    """Return the part that lists sheets, each given as attributes besides its ID on `rId1` and so on."""
    listed = "".join(f'<sheet sheetId="{n}" r:id="rId{n}" {given}/>' for n, given in enumerate(sheets, start=1))
    return f'<workbook xmlns="{namespace}" xmlns:r="{relations}"><sheets>{listed}</sheets></workbook>'


def parts(*rows: str, texts: str = "", **others: str | bytes) -> Parts:
    """Return the parts of a spreadsheet with one sheet of these rows; `texts` are its shared texts."""
    made: Parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": links(("rId1", "officeDocument", WORKBOOK)),
        WORKBOOK: listing('name="People"'),
        LINKS: links(("rId1", "worksheet", "worksheets/sheet1.xml"), ("rId9", "sharedStrings", "sharedStrings.xml")),
        SHEET: sheet(*rows),
        TEXTS: f'<sst xmlns="{MAIN}">{texts}</sst>',
    }
    return made | others


def packed(made: Mapping[str, str | bytes], *, compression: int = ZIP_DEFLATED) -> bytes:
    """Return parts as one file."""
    file = BytesIO()
    with ZipFile(file, "w", compression) as archive:
        for name, content in made.items():
            archive.writestr(ZipInfo(name), content, compression)
    return file.getvalue()


def xlsx(*rows: str, **others: str) -> bytes:
    """Return a spreadsheet with one sheet of these rows."""
    return packed(parts(*rows, **others))


def as_openpyxl_writes(rows: Iterable[Sequence[str]]) -> bytes:
    """Return a spreadsheet of texts that another library has written."""
    book = Workbook(write_only=True)
    page = book.create_sheet("People")
    for texts in rows:
        cells = [WriteOnlyCell(page, text) for text in texts]
        for one in cells:
            one.data_type = "s"  # not a formula, whatever it begins with
        page.append(cells)
    file = BytesIO()
    book.save(file)
    return file.getvalue()
