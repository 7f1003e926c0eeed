"""Pages that promise something name the claims and tests that prove it: all exist, and none is left out."""

from __future__ import annotations

import ast
import re

import pytest

from support.histories.claims import CLAIMS
from support.paths import ROOT

TEXT = (ROOT / "docs/consistency.md").read_text()
LISTS = (ROOT / "docs/lists.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
_FILE = re.compile(r"\]\((?:\.\./)?(tests/[\w/]+\.py)\)((?:(?:, )?\s*::test_\w+)*)")


def named(text: str) -> list[tuple[str, str]]:
    """Return the tests that a page names, each with its file; "" is the whole of it."""
    return sorted(
        {(file, name) for file, names in _FILE.findall(text) for name in re.findall(r"test_\w+", names) or [""]}
    )


def _section(text: str, title: str) -> list[str]:
    """Return the rows of the table in a section, without its head."""
    section = text.partition(f"## {title}")[2].partition("\n## ")[0]
    _, *rows = (line for line in section.splitlines() if line.startswith("| "))
    return rows


@pytest.mark.parametrize(("file", "name"), [*named(TEXT), *named(LISTS), *named(SECURITY)])
def test_a_test_that_a_page_names_exists(file, name):
    """Each test that a page names exists in its file."""
    tree = ast.parse((ROOT / file).read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert not name or name in defined


def test_every_promise_of_a_list_names_its_tests():
    """Each promise on the page names a test."""
    promises = _section(LISTS, "Promises")
    assert len(promises) > 2
    assert all(named(promise) for promise in promises)


def test_every_claim_of_security_names_its_tests():
    """Each claim against a threat names a test, and each file of security tests proves one of them."""
    rows = [line for line in _section(SECURITY, "Claims and their tests") if not line.startswith("| **")]
    assert len(rows) > 20
    assert [row for row in rows if not named(row.rpartition(" | ")[2])] == []
    proofs = {f"tests/security/{path.name}" for path in (ROOT / "tests/security").glob("test_*.py")}
    assert proofs - {file for file, _ in named(SECURITY)} == set()


def test_every_claim_of_the_checker_is_on_the_page():
    """The claims of the checker are those that the page promises."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")]
    named_claims = set(re.findall(r"`(\w+)`", "".join(row.split(" | ")[1] for row in rows if row.count(" | ") == 2)))
    claims = {claim.__name__ for claim in CLAIMS}
    assert claims <= named_claims
    assert {name for name in named_claims if "_" in name and name not in claims} <= {"max_staleness"}


def test_the_page_names_every_consistency_test_file():
    """Each file of consistency tests is named on the page, except the checker's own."""
    proofs = {f"tests/consistency/{path.name}" for path in (ROOT / "tests/consistency").glob("test_*.py")}
    of_the_checker = {f"tests/consistency/test_{name}.py" for name in ("claims", "list_claims", "any_history")}
    assert proofs - {file for file, _ in named(TEXT)} == of_the_checker
