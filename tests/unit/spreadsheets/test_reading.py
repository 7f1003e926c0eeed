"""Reading spreadsheets as common programs write them."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from sidegate.spreadsheets.cells import Kind, column_letters, column_number
from sidegate.spreadsheets.read import read_sheet
from sidegate.spreadsheets.shared_strings import unescaped
from sidegate.spreadsheets.write import empty_sheet
from support.workbooks import (
    LINKS,
    MAIN,
    SHEET,
    STRICT,
    STRICT_RELATIONS,
    WORKBOOK,
    as_openpyxl_writes,
    links,
    listing,
    packed,
    parts,
    row,
    sheet,
    xlsx,
)

AS_EXCEL = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="{MAIN}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"
 xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" mc:Ignorable="x14ac"
 xmlns:x14ac="http://schemas.microsoft.com/office/spreadsheetml/2009/9/ac">
<sheetPr><tabColor rgb="FFFF0000"/></sheetPr><dimension ref="A1:B4"/>
<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" state="frozen"/></sheetView></sheetViews>
<sheetFormatPr defaultRowHeight="15" x14ac:dyDescent="0.25"/>
<cols><col min="1" max="2" width="26" customWidth="1"/></cols>
<sheetData>
<row r="1" spans="1:2" x14ac:dyDescent="0.25"><c r="A1" s="1" t="s"><v>0</v></c><c r="B1" s="1" t="s"><v>1</v></c></row>
<row r="2" spans="1:2" ht="15.75" thickBot="1" x14ac:dyDescent="0.3"><c r="A2" s="2"/><c r="B2" s="2"/></row>
<row r="4" spans="1:2"><c r="A4" s="3" t="s"><v>2</v></c><c r="B4" t="s"><v>3</v></c></row>
</sheetData>
<autoFilter ref="A1:B4"/><hyperlinks><hyperlink ref="A4" r:id="rId1"/></hyperlinks>
<extLst><ext uri="x"><x14:t xmlns:x14="http://schemas.microsoft.com/office/spreadsheetml/2009/9/main">no</x14:t></ext></extLst>
</worksheet>"""
ITS_TEXTS = """<si><t>email</t></si><si><t>name</t></si><si><t xml:space="preserve"> uma@acme.example </t></si>
<si><r><rPr><b/><sz val="11"/></rPr><t>東</t></r><r><t xml:space="preserve">京 A</t></r>
<rPh sb="0" eb="2"><t>トウキョウ</t></rPh><phoneticPr fontId="1"/></si>"""


def shown(raw, name=""):
    """Return row number -> column letters -> value."""
    return {
        one.number: {column_letters(number): found.value for number, found in one.cells.items()}
        for one in read_sheet(raw, name).rows
    }


def test_what_excel_writes():
    """EF-12: shared texts in runs without phonetic hints, rows by their numbers, blank cells skipped."""
    raw = packed(parts(texts=ITS_TEXTS) | {SHEET: AS_EXCEL})
    assert shown(raw) == {1: {"A": "email", "B": "name"}, 4: {"A": "uma@acme.example", "B": "東京 A"}}


def test_what_other_programs_write():
    """EF-12: omitted positions are counted, cells hold their texts themselves, targets begin at the root."""
    head = '<row><c t="inlineStr"><is><t>email</t></is></c><c t="str"><v>name</v></c></row>'
    raw = packed(
        parts(head, '<row><c/><c t="str"><v>x</v></c></row>')
        | {
            "_rels/.rels": links(
                ("a", "officeDocument", "/xl/workbook.xml"), ("b", "metadata/core-properties", "x.xml")
            ),
            LINKS: links(("rId1", "worksheet", "/XL/Worksheets/Sheet1.xml")),
        }
    )
    assert shown(raw) == {1: {"A": "email", "B": "name"}, 2: {"B": "x"}}


def test_the_strict_form():
    """EF-12: the strict form of the standard, with names of its own, is read in the same way."""
    raw = packed(
        parts()
        | {
            "_rels/.rels": links(("rId1", "officeDocument", WORKBOOK), base=STRICT_RELATIONS),
            LINKS: links(("rId1", "worksheet", "worksheets/sheet1.xml"), base=STRICT_RELATIONS),
            WORKBOOK: listing('name="People"', namespace=STRICT, relations=STRICT_RELATIONS),
            SHEET: sheet(row(1, "email"), namespace=STRICT),
        }
    )
    assert shown(raw) == {1: {"A": "email"}}


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"]), max_size=6)


@given(st.lists(st.lists(cells, max_size=4), max_size=5))
def test_what_openpyxl_writes(written):
    """EF-12: all texts that another library writes come back in the same cells, except for whitespace at their ends."""
    expected = [
        {column_letters(n): text.strip() for n, text in enumerate(line, start=1) if text.strip()} for line in written
    ]
    assert shown(as_openpyxl_writes(written)) == {number: line for number, line in enumerate(expected, start=1) if line}


def test_the_size_that_a_sheet_claims_is_not_believed():
    """EF-12: a declared dimension that is too small hides no cell, and one too large takes no memory."""
    for claim in ("A1", "A1:XFD1048576", "B9:A1", "nonsense"):
        page = sheet(row(1, "email"), row(1_048_576, "a", "b"), before=f'<dimension ref="{claim}"/>')
        assert shown(packed(parts() | {SHEET: page})) == {1: {"A": "email"}, 1_048_576: {"A": "a", "B": "b"}}


def test_cells_out_of_their_order_are_not_lost():
    """EF-12: cells in any order within a row get their own columns."""
    assert shown(xlsx('<row r="1"><c r="C1" t="str"><v>c</v></c><c r="A1" t="str"><v>a</v></c></row>')) == {
        1: {"C": "c", "A": "a"}
    }


def test_what_is_no_text_keeps_its_kind():
    """EF-12: a formula stays one with any last result, and nothing becomes a text by itself."""
    row_of_kinds = (
        '<row r="1"><c r="A1"><v>628123456789</v></c><c r="B1" t="str"><f>A1&amp;"x"</f><v>cached</v></c>'
        '<c r="C1" t="b"><v>1</v></c><c r="D1" t="e"><v>#N/A</v></c><c r="E1" t="d"><v>2026-01-01</v></c>'
        '<c r="F1" s="5"><f t="shared" si="0"/></c></row>'
    )
    (found,) = read_sheet(xlsx(row_of_kinds)).rows
    kinds = [Kind.NUMBER, Kind.FORMULA, Kind.BOOLEAN, Kind.ERROR, Kind.DATE, Kind.FORMULA]
    assert [one.kind for one in found.cells.values()] == kinds


def test_hidden_rows_and_columns_are_marked():
    """EF-12: hidden rows and columns of the sheet are marked."""
    page = sheet(
        row(1, "email"), row(2, "x", attributes='hidden="1"'), before='<cols><col min="2" max="3" hidden="1"/></cols>'
    )
    found = read_sheet(packed(parts() | {SHEET: page}))
    assert [one.hidden for one in found.rows] == [False, True]
    assert [found.hides(column) for column in (1, 2, 3, 4)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("stored", "meant"),
    [("a_x0009_b", "a\tb"), ("_x005F_x0009_", "_x0009_"), ("_x00", "_x00"), ("_xD83D__xDE00_", "_xD83D__xDE00_")],
)
def test_escaped_characters(stored, meant):
    """EF-12: escaped characters that XML can't hold are decoded; escaped halves of characters stay as they are."""
    assert unescaped(stored) == meant
    assert shown(xlsx(row(1, "x" + stored))) == {1: {"A": "x" + meant}}


@pytest.mark.parametrize(
    ("name", "found"),
    [("", "one"), ("First", "one"), ("Chart", None), ("Hidden", None), ("first", None), ("Very", None)],
)
def test_which_sheet(name, found):
    """EF-12: the only visible sheet is meant where none is named; charts and hidden sheets are none."""
    raw = packed(
        parts(row(1, "one"))
        | {
            WORKBOOK: listing(
                'name="First"', 'name="Hidden" state="hidden"', 'name="Chart"', 'name="Very" state="veryHidden"'
            ),
            LINKS: links(
                ("rId1", "worksheet", "worksheets/sheet1.xml"),
                ("rId2", "worksheet", "worksheets/sheet1.xml"),
                ("rId3", "chartsheet", "worksheets/sheet1.xml"),
                ("rId4", "worksheet", "worksheets/sheet1.xml"),
            ),
        }
    )
    if found:
        assert shown(raw, name) == {1: {"A": found}}
    else:
        with pytest.raises(Exception, match="`First`"):
            read_sheet(raw, name)


def test_an_empty_sheet_keeps_texts():
    """EF-12: the sheet to fill in has its header, and every column stores what is typed as text."""
    raw = empty_sheet("People", ("email", "phone"))
    assert shown(raw, "People") == {1: {"A": "email", "B": "phone"}}
    columns = load_workbook(BytesIO(raw))["People"].column_dimensions
    assert {letters: columns[letters].number_format for letters in columns} == {"A": "@", "B": "@"}


def test_a_column_name_is_no_formula():
    """What begins like a formula is written as text."""
    raw = empty_sheet("People", ("=1+1", "@phone"))
    assert [cell.data_type for cell in load_workbook(BytesIO(raw))["People"][1]] == ["s", "s"]


@given(st.integers(min_value=1, max_value=18_278))
def test_columns_by_letters(number):
    """The letters of a column are those of its number."""
    assert column_number(column_letters(number)) == number
    assert [column_letters(n) for n in (1, 26, 27, 702, 703, 16_384)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]
