"""The compatibility table names tests that exist."""

import re

from support.paths import ROOT


def test_each_test_in_the_table_exists():
    """Every test that docs/casbin-compatibility.md names is defined."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "casbin-compatibility.md").read_text(encoding="utf-8")))
    files = [*(ROOT / "tests" / "unit" / "engine").glob("*.py"), *(ROOT / "tests" / "conformance").glob("*.py")]
    sources = "".join(file.read_text(encoding="utf-8") for file in files)
    defined = set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    assert len(named) > 40
    assert named <= defined
