"""How the lines of a policy.csv are read, and which are refused."""

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidegate.engine import read_rows
from sidegate.errors import PackError


def test_rows_come_with_their_lines():
    """Blank lines and comments are skipped, values are stripped, and brackets keep their commas."""
    text = "# who may\r\n\n  \np, alice ,  data,read\n g, alice, admin\np, eval(a, b), [x, y], \n"
    assert [(row.line, row.row) for row in read_rows(text, "policy.csv")] == [
        (4, ("p", "alice", "data", "read")),
        (5, ("g", "alice", "admin")),
        (6, ("p", "eval(a, b)", "[x, y]", "")),
    ]


def test_inner_hashes_are_data():
    """A comment has a line of its own, as in every Casbin."""
    assert read_rows("p, a, c # why", "x")[0].row == ("p", "a", "c # why")


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('p, alice, "data1,data2", read', ("p", "alice", "data1,data2", "read")),
        ('p, alice, "r.act in (""get"", ""post"")", x', ("p", "alice", 'r.act in ("get", "post")', "x")),
        ('"p","alice","","read"', ("p", "alice", "", "read")),
        ('p ,\t" (alice, " ,"""" , ")]"', ("p", " (alice, ", '"', ")]")),
        ('g, "alice\'s", admin', ("g", "alice's", "admin")),
        ('p, "a" == r.sub, x', ("p", '"a" == r.sub', "x")),
        ('p, r.sub == "a", f("a,b"), "a"b', ("p", 'r.sub == "a"', 'f("a,b")', '"a"b')),
        ('p, 5" disk, x', ("p", '5" disk', "x")),
    ],
)
def test_a_field_quoted_as_a_whole_is_read_as_csv(line, row):
    """Its commas and brackets are data and `""` is a quote; quotes that don't enclose a field are data."""
    assert read_rows(line, "policy.csv")[0].row == row


@settings(deadline=None, derandomize=True, database=None)
@given(values=st.lists(st.text("ab ,\"'()[]#", max_size=8), min_size=1, max_size=4))
def test_quoted_lines_are_read_as_a_csv_reader_reads_them(values):
    """Whatever the values are: quoted, they come back, as Python's own reader returns them."""
    line = ", ".join(['"p"', *('"' + value.replace('"', '""') + '"' for value in values)])
    assert read_rows(line, "policy.csv")[0].row == ("p", *values)
    assert next(csv.reader([line], skipinitialspace=True, strict=True)) == ["p", *values]


@pytest.mark.parametrize("line", ['p, "alice, data', 'p, "alice"", data', 'p, x, "', 'p, "a""b, c'])
def test_a_quote_that_is_never_closed_is_refused(line):
    """The error names its column and how a quote inside of quotes is written."""
    with pytest.raises(
        PackError, match=r"quote at column \d+ is never closed; inside of quotes a quote is written twice"
    ):
        read_rows(line, "policy.csv")


def test_all_wrong_lines_are_named_together():
    """Byte order mark, unknown section, brackets that do not match, control characters, an empty rule."""
    lines = ["\ufeffp, a", "q, a", ", a", "p, a)", "p, (a]", "p, (a, b", "p", "p, a\x00", "p, fine", "p0, a", "P, a"]
    with pytest.raises(PackError) as error:
        read_rows("\n".join(lines), "policy.csv")
    assert [(fault.file, fault.line) for fault in error.value.faults] == [
        ("policy.csv", number) for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11)
    ]
    assert "byte order mark" in str(error.value)
    assert "policy.csv:6: `(` is never closed" in str(error.value)
