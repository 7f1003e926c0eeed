"""Files that would harm their reader, or are not of the declared kind: each is refused, soon, and in little memory."""

import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.errors import InvalidInput
from sidegate.spreadsheets.limits import DEFAULT_BOUNDS
from sidegate.spreadsheets.read import read_sheet
from support.workbooks import LINKS, MAIN, SHEET, TEXTS, WORKBOOK, links, listing, packed, parts, row, sheet, xlsx

GOOD = parts(row(1, "email"), '<row r="2"><c r="A2" t="s"><v>0</v></c></row>', texts="<si><t>uma@acme.example</t></si>")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
MIB = 1024 * 1024


def refusal_of(raw, **bounds):
    """Return what a file that must be refused is refused with: its field and the message."""
    with pytest.raises(InvalidInput) as caught:
        read_sheet(raw, bounds=replace(DEFAULT_BOUNDS, **bounds))
    (violation,) = caught.value.violations
    return violation.field, violation.message


def with_sheet(text):
    return packed(GOOD | {SHEET: text})


def in_sheet(rows):
    return with_sheet(sheet(rows))


def encrypted():
    raw = bytearray(packed(GOOD))
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


def without(name):
    return packed({part: content for part, content in GOOD.items() if part != name})


def doubled(name):
    """Return a file that has a part twice: what one program reads another may not."""
    return packed(GOOD | {"x" * len(name): b"other"}).replace(b"x" * len(name), name.encode())


def lying(name, size):
    """Return a file whose directory says that a part unpacks to another size than it does."""
    raw = bytearray(packed(GOOD))
    at = raw.index(name.encode(), raw.index(b"PK\x01\x02")) - 46
    struct.pack_into("<L", raw, at + 24, size)
    return bytes(raw)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"email,name\numa@acme.example,Uma\n", "is no spreadsheet: expected an .xlsx file; a CSV goes into `csv`"),
        (b"<html><table></table></html>", "is no spreadsheet"),
        (OLE, "is of Excel 97 to 2003: save it as .xlsx"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "is encrypted: remove its password"),
        (encrypted(), "is encrypted at `xl/sharedStrings.xml`"),
        (packed(GOOD)[:-30], "is broken"),
        (packed(GOOD)[:400], "is broken"),
        (packed({"mimetype": "x", "META-INF/manifest.xml": "x"}), "is no .xlsx file, but an OpenDocument"),
        (packed({"a.txt": "hello"}), "is no .xlsx file: save it"),
        (
            packed(GOOD | {"_rels/.rels": links(("r", "officeDocument", "xl/workbook.bin"))}),
            "is no .xlsx file: save it",
        ),
        (packed(GOOD | {WORKBOOK: "<document/>"}), "is another document"),
        (packed(GOOD, compression=zipfile.ZIP_LZMA), "is packed in an unusual way at `[Content_Types].xml`"),
        (packed(GOOD, compression=zipfile.ZIP_BZIP2), "is packed in an unusual way"),
        (doubled(SHEET), f"has the part `{SHEET}` twice"),
        (doubled(SHEET.upper()), f"has the part `{SHEET.upper()}` twice"),
        (without(SHEET), f"has no part `{SHEET}`"),
        (without(WORKBOOK), f"has no part `{WORKBOOK}`"),
        (without(TEXTS), f"has no part `{TEXTS}`"),
        (packed(GOOD | {TEXTS: f'<sst xmlns="{MAIN}"/>'}), "has no shared text `0`"),
        (lying(SHEET, 10), f"is broken at `{SHEET}`"),
        (lying(SHEET, 60 * MIB), "unpacks to more than 200 times its size"),
        (with_sheet("<worksheet"), f"is not XML at `{SHEET}`"),
        (with_sheet(sheet().encode("utf-16")[:-9]), f"is not XML at `{SHEET}`"),
        (with_sheet('<?xml version="1.0" encoding="nonsense"?>' + sheet()), f"is not XML at `{SHEET}`"),
        (with_sheet("<!DOCTYPE x>" + sheet()), f"declares a document type at `{SHEET}`"),
        (with_sheet('<!DOCTYPE x [<!ENTITY a "aaa">]>' + sheet()), "declares a document type"),
        (with_sheet('<!DOCTYPE x SYSTEM "file:///etc/passwd">' + sheet()), "declares a document type"),
        (in_sheet(row(1, "&undeclared;").replace("&amp;", "&")), f"is not XML at `{SHEET}`"),
        (in_sheet(row(2) + row(1)), "has a row `1` after row 2"),
        (in_sheet(row(1) + row(1)), "has a row `1` after row 1"),
        (in_sheet('<row r="0"/>'), "has a row `0`"),
        (in_sheet('<row r="1048577"/>'), "has a row `1048577`"),
        (in_sheet(f'<row r="{"9" * 5000}"/>'), "has a row `999"),
        (in_sheet('<row r="1"><c r="A2"/></row>'), "has a cell `A2` in row 1"),
        (in_sheet('<row r="1"><c r="XFE1"/></row>'), "row 1 has more than 16384 columns"),
        (in_sheet(row(1, "a", more='<c r="A1" t="str"><v>b</v></c>')), "has the cell `A1` twice"),
        (in_sheet('<row r="1"><c r="A1" t="x"><v>1</v></c></row>'), "has a cell `A1` of a kind `x`"),
        (in_sheet('<row r="1"><c r="A1" t="s"><v>-1</v></c></row>'), "has no shared text `-1`"),
        (in_sheet('<row r="1"><c r="A1" t="s"><v>7</v></c></row>'), "has no shared text `7`"),
        (
            in_sheet('<row r="2"><c r="A2"><f t="array" ref="A2:A9">X</f><v>1</v></c></row>'),
            "cells `A2:A9` are the result of one formula",
        ),
        (
            with_sheet(sheet(row(1, "a"), after='<mergeCells><mergeCell ref="A2:A4"/></mergeCells>')),
            "cells `A2:A4` are merged",
        ),
        (with_sheet(sheet(before='<cols><col min="x" max="2" hidden="1"/></cols>')), "has columns from or to `x`"),
    ],
)
def test_what_is_no_plain_table_is_refused(raw, message):
    """EF-12: the error says what the file is instead, or where in it the fault lies, and what to do."""
    field, found = refusal_of(raw)
    assert field == "spreadsheet"
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("sheets", "message"),
    [
        ((), "has no visible sheet"),
        (('name="A"', 'name="B"'), "has 2 sheets: expected one, or the name of `A`, `B`"),
        (tuple(f'name="S{n}"' for n in range(9)), "has 9 sheets: expected one, or the name of `S0`, `S1`"),
    ],
)
def test_which_of_several_sheets_is_not_guessed(sheets, message):
    """EF-12: with several sheets, or none, the error lists the names that could be given."""
    to = links(*((f"rId{n}", "worksheet", "worksheets/sheet1.xml") for n in range(1, 10)))
    field, found = refusal_of(packed(GOOD | {WORKBOOK: listing(*sheets), LINKS: to}))
    assert field == "sheet"
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("raw", "bounds", "message"),
    [
        (packed(GOOD), {"packed": 500}, "has 0.0 MiB: expected up to 0.0 MiB"),
        (packed(GOOD), {"parts": 5}, "has more than 5 parts"),
        (packed(GOOD), {"unpacked": 1000}, "unpacks to 0.0 MiB or more"),
        (packed(GOOD), {"depth": 3}, "holds too many or too deeply nested elements"),
        (packed(GOOD), {"elements": 5}, "holds too many or too deeply nested elements"),
        (packed(GOOD), {"text": 15}, "holds a text of more than 15 characters"),
        (packed(GOOD), {"texts": 20}, "holds more than 20 characters"),
        (packed(GOOD), {"seconds": 0.0}, "takes more than 0 s to read"),
        (xlsx(row(1, "a"), row(2, "b"), row(9, "c")), {"rows": 1}, "holds more than 1 rows below its header"),
        (xlsx(row(1, *"abcd")), {"cells_of_row": 3}, "row 1 holds more than 3 values"),
    ],
)
def test_each_bound_holds(raw, bounds, message):
    """EF-12: a file beyond any limit is refused with the limit that it exceeds."""
    assert read_sheet(raw).rows
    clock = count(0.0, 0.001)
    with pytest.raises(InvalidInput, match=message):
        read_sheet(raw, bounds=replace(DEFAULT_BOUNDS, **bounds), clock=lambda: next(clock))


def test_a_part_read_twice_counts_twice():
    """EF-12: the bound is on what is unpacked, so that one large part under two names does not pass it."""
    made = GOOD | {LINKS: links(("rId1", "worksheet", "worksheets/sheet1.xml"), ("rId2", "sharedStrings", SHEET[3:]))}
    size = sum(map(len, made.values()))
    assert refusal_of(packed(made), unpacked=size)[1].startswith("unpacks to")


def require_read_or_refused(raw):
    with suppress(InvalidInput):
        read_sheet(raw)


BOMBS = {
    "zeros": lambda: packed(GOOD | {"xl/media/image1.png": bytes(300 * MIB)}),
    "one long text": lambda: in_sheet(f"<row><c t='str'><v>{'x' * 30 * MIB}</v></c></row>"),
    "one long attribute": lambda: in_sheet(f"<row r='{'1' * 30 * MIB}'/>"),
    "one long comment": lambda: with_sheet(sheet().replace("<sheetData>", f"<!--{'x' * 30 * MIB}--><sheetData>")),
    "depth": lambda: in_sheet("<c>" * 5 * MIB),
    "elements": lambda: in_sheet("<row>" + "<c/>" * 7 * MIB + "</row>"),
    "texts": lambda: packed(GOOD | {TEXTS: f'<sst xmlns="{MAIN}">' + "<si/>" * 6 * MIB + "</sst>"}),
    "one text many times": lambda: packed(
        GOOD
        | {
            SHEET: sheet(*(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 10_000))),
            TEXTS: f'<sst xmlns="{MAIN}"><si><t>{"a;" * 16_000}</t></si></sst>',
        }
    ),
    "parts": lambda: packed(GOOD | {f"x{n}": b"" for n in range(60_000)}),
    "rows": lambda: in_sheet("".join(row(n, f"m{n}@acme.example") for n in range(1, 100_001))),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_bomb_takes_memory(bomb):
    """EF-12: a file that expands too much is refused before it takes a tenth of its unpacked size."""
    raw = BOMBS[bomb]()
    tracemalloc.start()
    refusal_of(raw, ratio=10_000, elements=200_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 * MIB


@given(st.lists(st.tuples(st.integers(0), st.binary(min_size=1, max_size=3)), max_size=8), st.integers(0))
def test_broken_bytes_are_read_or_refused(changes, cut):
    """EF-12: with any bytes damaged or missing, the file is read or refused, without another error."""
    raw = bytearray(packed(GOOD, compression=zipfile.ZIP_STORED))
    del raw[cut % (2 * len(raw)) :]
    for position, new in changes:
        at = position % (len(raw) + 1)
        raw[at : at + len(new)] = new
    require_read_or_refused(bytes(raw))


@given(
    st.sampled_from(sorted(GOOD)),
    st.integers(0),
    st.text(st.sampled_from("<>/&;\"'= crvtfisA1:xmlns!-?[]"), max_size=12),
)
def test_broken_parts_are_read_or_refused(name, at, text):
    """EF-12: with any content in a part, the file is read or refused, without another error."""
    part = GOOD[name]
    at %= len(part) + 1
    require_read_or_refused(packed(GOOD | {name: part[:at] + text + part[at:]}))


def test_damage_is_found_by_its_checksum():
    """EF-12: a part that unpacks to other bytes than were packed is refused, however well-formed it is."""
    raw = packed(GOOD, compression=zipfile.ZIP_STORED).replace(b"uma@", b"eva@")
    assert zlib.crc32(b"uma@") != zlib.crc32(b"eva@")
    assert refusal_of(raw)[1].startswith("is broken at")
