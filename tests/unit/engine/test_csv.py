"""How the lines of a policy.csv are read, and which are refused."""

import pytest

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


def test_quotes_and_inner_hashes_are_data():
    """Casbin knows neither CSV quotes nor comments inside a line."""
    assert read_rows('p, "a,b", c # why', "x")[0].row == ("p", '"a', 'b"', "c # why")


def test_all_wrong_lines_are_named_at_once():
    """Byte order mark, unknown section, brackets that do not match, control characters, an empty rule."""
    lines = ["\ufeffp, a", "q, a", ", a", "p, a)", "p, (a]", "p, (a, b", "p", "p, a\x00", "p, fine", "p0, a", "P, a"]
    with pytest.raises(PackError) as error:
        read_rows("\n".join(lines), "policy.csv")
    assert [(fault.file, fault.line) for fault in error.value.faults] == [
        ("policy.csv", number) for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11)
    ]
    assert "byte order mark" in str(error.value)
    assert "policy.csv:6: `(` is never closed" in str(error.value)
