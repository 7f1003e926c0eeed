"""Every published rule with a decision side has checks that name its ID."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from sidegate.documents import parse_document

ROOT = Path(__file__).parents[2]
RULES = ROOT.parent / "shared/rules.md"
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
