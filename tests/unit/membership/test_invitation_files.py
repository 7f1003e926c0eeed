"""Whom tables invite."""

import csv
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.errors import InvalidInput
from sidegate.membership.invitation_files import COLUMNS, from_csv, from_spreadsheet
from sidegate.membership.invitation_rows import normalized
from support.workbooks import SHEET, as_openpyxl_writes, packed, parts, row, sheet, xlsx

cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"]), max_size=6)
rows = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, cells)), max_size=4)
HEAD = row(1, *COLUMNS)


def as_csv(written):
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(written)
    return text.getvalue()


@given(rows)
def test_what_a_table_says_is_read(written):
    """EF-12: whatever a spreadsheet writes as CSV comes back, but for the whitespace at the ends of cells."""
    expected = [{name: cell.strip() for name, cell in one.items()} for one in written]
    for one in expected:
        for name in ("roles", "groups"):
            one[name] = ";".join(filter(None, map(str.strip, one[name].split(";"))))
    read = [
        {"roles": ";".join(one.roles), "groups": ";".join(one.groups)}
        | {name: getattr(one, name) for name in ("email", "phone", "account", "name")}
        for one in from_csv(as_csv(written))
    ]
    assert read == [one for one, given in zip(expected, written, strict=True) if any(map(str.strip, given.values()))]


@given(rows)
def test_a_spreadsheet_says_what_its_csv_says(written):
    """EF-12: the same rows as a spreadsheet and as CSV invite exactly the same people, from the same rows."""
    raw = as_openpyxl_writes([COLUMNS, *([one[name] for name in COLUMNS] for one in written)])
    of_csv = [replace(one, place=one.place.replace("csv", "spreadsheet")) for one in from_csv(as_csv(written))]
    assert [*from_spreadsheet(raw)] == of_csv


def test_rows_have_the_numbers_that_the_spreadsheet_shows():
    """EF-12: rows are reported by their own numbers, whatever is blank between them and above the header."""
    made = xlsx(row(3, "account"), row(4, "uma"), row(5, " "), row(9, "ugo"))
    assert [(one.place, one.account) for one in from_spreadsheet(made)] == [
        ("spreadsheet:4", "uma"),
        ("spreadsheet:9", "ugo"),
    ]


def cell_of(kind, inside):
    return f'<c r="B2" t="{kind}">{inside}</c>'


@pytest.mark.parametrize(
    ("made", "field", "message"),
    [
        (
            cell_of("n", "<v>628123456789</v>"),
            ".phone",
            "cell `B2` holds a number or a date: expected text, for a number ",
        ),
        (cell_of("n", "<v>8.1E11</v>"), ".phone", "cell `B2` holds a number or a date"),
        (cell_of("d", "<v>2026-01-01T00:00:00</v>"), ".phone", "cell `B2` holds a date: expected text"),
        (cell_of("b", "<v>1</v>"), ".phone", "cell `B2` holds a truth value"),
        (cell_of("e", "<v>#REF!</v>"), ".phone", "cell `B2` holds an error"),
        (
            cell_of("str", "<f>1+1</f><v>+628123456789</v>"),
            ".phone",
            "cell `B2` holds a formula: expected the text itself",
        ),
        (cell_of("str", "<f/>"), ".phone", "cell `B2` holds a formula"),
        ('<c r="H2" t="str"><v>x</v></c>', "", "cell `H2` is in a column without a name"),
    ],
)
def test_what_is_no_text_is_refused_in_its_cell(made, field, message):
    """EF-12: no number loses its plus sign or zeros unseen, and no formula runs: the row is refused, by its cell."""
    wrong = f'<row r="2"><c r="A2" t="str"><v>a@b.c</v></c>{made}</row>'
    bad, good = from_spreadsheet(xlsx(HEAD, wrong, row(3, "u@v.w")))
    assert normalized(good).email == "u@v.w"
    with pytest.raises(InvalidInput) as caught:
        normalized(bad)
    (violation,) = caught.value.violations
    assert violation.field == f"spreadsheet:2{field}"
    assert violation.message.startswith(message)


def test_a_hidden_row_is_not_invited():
    """EF-12: whom nobody sees who looks at the sheet, such as one that a filter hides, is refused and not invited."""
    _, hidden = from_spreadsheet(xlsx(HEAD, row(2, "a@b.c"), row(3, "u@v.w", attributes='hidden="true"')))
    with pytest.raises(InvalidInput, match="spreadsheet:3: is hidden: show the row, or delete it"):
        normalized(hidden)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (row(2, "email", "mail"), "spreadsheet:2: unknown column `mail`: did you mean `email`?"),
        (row(1, "uma@acme.example"), "spreadsheet:1: unknown column `uma@acme.example`: expected one of"),
        (row(1, "email", " Email "), "spreadsheet:1: a column appears twice"),
        (
            row(1, "name", "roles"),
            "spreadsheet:1: no column has addresses: expected one of `account`, `email`, `phone`",
        ),
        ('<row r="1"><c r="A1"><v>1</v></c></row>', "spreadsheet:1: cell `A1` holds a number or a date"),
        ("", "spreadsheet:1: is empty: expected a header of email"),
    ],
)
def test_the_header_must_be_one(header, message):
    """EF-12: a column that is not known, doubled or missing is reported with its row, before any invitee is read."""
    with pytest.raises(InvalidInput) as caught:
        [*from_spreadsheet(xlsx(header, row(3, "a@b.c")[: 99 * bool(header)]))]
    assert str(caught.value).startswith(message)


def test_a_hidden_column_is_refused():
    """EF-12: a column that nobody sees gives nobody an address or a role."""
    page = sheet(HEAD, row(2, "a@b.c"), before='<cols><col min="5" max="5" hidden="1"/></cols>')
    with pytest.raises(InvalidInput, match="column `E`, `roles`, is hidden"):
        [*from_spreadsheet(packed(parts() | {SHEET: page}))]
