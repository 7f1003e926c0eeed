"""Every published rule has checks of its decision side, and tests of the running service that name its ID."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidegate.documents.yaml import parse_document
from support.paths import ROOT

RULES = ROOT.parent / "shared/rules.md"
TESTS = ROOT / "tests"
BOTH = "sidecar_address"
"""The fixture that starts a sidecar per database; a test that uses it calls both through gRPC."""
_ID = re.compile(r"\b(?:MS|EL|EF|ST)-\d\d\b")
_ROW = re.compile(r"^\| (?P<id>[A-Z]{2}-\d\d) \|(?P<rule>[^|]*)\|(?P<decision>[^|]*)\|(?P<store>[^|]*)\|$")


def checks_by_rule() -> dict[str, set[str]]:
    """Return rule ID -> the decisions that checks of any pack expect."""
    expected: dict[str, set[str]] = defaultdict(set)
    for path in ROOT.glob("policies/*/tests/*.yaml"):
        document = parse_document(path.read_text(), str(path))
        for check in document.value["checks"]:
            expected[check["rule"]].add(check["expect"])
    return expected


def declared_rules() -> set[str]:
    """Return the rule IDs that the packs declare."""
    found: set[str] = set()
    for path in ROOT.glob("policies/*/pack.yaml"):
        found |= set(parse_document(path.read_text(), str(path)).value["rules"])
    return found


def functions(path: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the functions of a module by name, tests and fixtures among them."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, kinds)}


def reaches(name: str, known: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]) -> bool:
    """Return whether a function uses the sidecars on both databases, directly or through a fixture."""
    if name == BOTH:
        return True
    asked = [argument.arg for argument in known[name].args.args] if name in known else []
    return any(reaches(argument, known) for argument in asked)


def on_both_databases() -> Iterator[tuple[str, str]]:
    """Yield name and docstring of each test that goes through gRPC on both databases."""
    shared = functions(TESTS / "integration/conftest.py")
    for path in (TESTS / "integration").rglob("test_*.py"):
        known = shared | functions(path)
        for name, node in functions(path).items():
            if name.startswith("test_") and reaches(name, known):
                yield f"{path.name}::{name}", ast.get_docstring(node) or ""


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, str]]:
    if not RULES.exists():
        pytest.skip(f"the published rules are not at hand: {RULES} is missing")
    rows = [match.groupdict() for line in RULES.read_text().splitlines() if (match := _ROW.match(line))]
    assert len(rows) > 30
    return {row["id"]: row for row in rows}


def test_every_published_rule_is_declared_by_a_pack(published):
    """A rule's ID is its name in the pack, in tests and in explanations."""
    assert set(published) - declared_rules() == set()


def test_every_decision_side_has_checks(published):
    """A rule with a decision side is checked, with an allow and a deny where its row names both."""
    expected = checks_by_rule()
    missing = []
    for id_, row in published.items():
        decision = row["decision"].lower()
        if not decision.strip():
            continue
        wanted = {word for word in ("allow", "deny") if re.search(rf"\b{word}", decision)} or {"allow"}
        if lacking := wanted - expected[id_]:
            missing.append(f"{id_}: {sorted(lacking)}")
    assert missing == []


def test_the_shared_sidecars_run_on_both_databases():
    """The two databases of the tests below are SQLite and PostgreSQL."""
    fixture = functions(TESTS / "integration/conftest.py")[BOTH]
    (params,) = [
        ast.literal_eval(keyword.value)
        for call in fixture.decorator_list
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "params"
    ]
    assert sorted(params) == ["postgresql", "sqlite"]


def test_every_published_rule_goes_through_grpc_on_both_databases(published):
    """Each rule has a test that names its ID and calls the running service on both databases."""
    named = {id_ for _, docstring in on_both_databases() for id_ in _ID.findall(docstring)}
    assert sorted(set(published) - named) == []


def test_every_rule_named_by_a_test_exists(published):
    """A test that names an unknown ID tests no published rule."""
    known = set(published) | declared_rules()
    named = {
        (path.name, id_)
        for path in TESTS.rglob("test_*.py")
        for node in functions(path).values()
        for id_ in _ID.findall(ast.get_docstring(node) or "")
    }
    assert sorted(pair for pair in named if pair[1] not in known) == []
