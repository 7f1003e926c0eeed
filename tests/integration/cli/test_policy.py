"""`sidegate policy`: exit codes, reports and words, on packs that are right and packs that are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from support.paths import ROOT
from support.servers.cli import invoke as sidegate

POLICIES = ROOT / "policies"
TESTS = """\
pack: standard
facts:
  tenants:
    acme:
      members:
        ann: {roles: [owner]}
        bob: {roles: [member]}
checks:
  - {rule: ST-01, tenant: acme, subject: ann, action: list, resource: "member:*", expect: allow}
  - {rule: ST-01, tenant: acme, subject: bob, action: list, resource: "member:*", expect: %s}
"""


@pytest.fixture
def packs(tmp_path):
    """A directory with the standard pack alone, whose only tests are a few of our own."""
    shutil.copytree(POLICIES / "standard", tmp_path / "packs" / "standard")
    shutil.rmtree(tmp_path / "packs" / "standard" / "tests")
    (tmp_path / "packs" / "standard" / "tests").mkdir()
    return tmp_path / "packs"


def write(packs, expected) -> Path:
    path = packs / "standard" / "tests" / "few.yaml"
    path.write_text(TESTS % expected)
    return path


@pytest.mark.parametrize("depth", ["engine", "chain", "service"])
def test_checks_that_pass_are_counted_per_pack(packs, depth):
    """Exit code 0 and a line per pack, at every depth."""
    write(packs, "deny")
    done = sidegate("policy", "test", packs, "--through", depth)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "pack      checks  passed  failed",
        "standard  2       2       0",
        "2 checks in 1 file: 2 passed, 0 failed",
    ]


@pytest.mark.parametrize("depth", ["engine", "chain", "service"])
def test_a_failure_is_shown_with_its_location_and_the_answer(packs, depth):
    """Exit code 1, and a row with file:line, rule, question, expected, got, reason."""
    path = write(packs, "allow")
    done = sidegate("policy", "test", path, "--through", depth)
    assert done.code == 1
    row = done.out.splitlines()[1]
    for part in (f"{path}:10", "ST-01", "acme: bob list member:*", "allow", "deny", "no_matching_rule"):
        assert part in row
    assert done.out.splitlines()[-1] == "2 checks in 1 file: 1 passed, 1 failed"


def test_reports_for_machines(packs, tmp_path):
    """JSON goes to standard output, JUnit XML to a file whose directory is made."""
    write(packs, "allow")
    done = sidegate("policy", "test", packs, "--json", "--junit", tmp_path / "build" / "policy.xml")
    report = json.loads(done.out)
    assert done.code == 1
    assert (report["checks"], report["failed"], report["passed"]) == (2, 1, False)
    suites = ET.parse(tmp_path / "build" / "policy.xml").getroot()
    assert (suites.get("tests"), suites.get("failures")) == ("2", "1")


def test_tests_are_about_the_packs_around_them(packs):
    """A rule that is taken away from a copied pack fails its tests, though the bundled pack still has it."""
    write(packs, "deny")
    csv = packs / "standard" / "policy.csv"
    other_lines = [line for line in csv.read_text().splitlines() if not line.startswith("p, owner, tenant, *,")]
    assert len(other_lines) < len(csv.read_text().splitlines())
    csv.write_text("\n".join(other_lines) + "\n")
    assert sidegate("policy", "test", packs / "standard").code != 0
    assert sidegate("policy", "test", packs / "standard", "--policies", POLICIES).code == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pack: standard\n", "facts"),
        ("pack: nothing\nfacts: {tenants: {}}\nchecks: []\n", "checks"),
        (TESTS % "maybe", ":10: checks.1.expect: "),
        ((TESTS % "deny").replace("roles: [member]", "roles: [boss]"), "boss"),
        ((TESTS % "deny").replace("pack: standard", "pack: nothing"), "nothing"),
    ],
)
def test_wrong_files_are_reported_with_their_location(packs, text, expected):
    """Exit code 2; no check is counted."""
    path = packs / "standard" / "tests" / "few.yaml"
    path.write_text(text)
    done = sidegate("policy", "test", packs)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert expected in done.err
    assert "Traceback" not in done.err


def test_a_pack_that_does_not_load_is_reported(packs):
    """Exit code 2 with the pack's file and line."""
    write(packs, "deny")
    csv = packs / "standard" / "policy.csv"
    csv.write_text("p, owner\n" + csv.read_text())
    done = sidegate("policy", "test", packs)
    assert done.code == 2
    assert f"{csv}:1: " in done.err


def test_nothing_to_test_is_wrong(tmp_path):
    """A path without tests must not pass as green."""
    for path in (tmp_path, tmp_path / "none"):
        done = sidegate("policy", "test", path)
        assert (done.code, done.out) == (2, "")
        assert str(path) in done.err


def test_an_unwritable_report_is_a_sentence(packs, tmp_path):
    """A directory is no file."""
    write(packs, "deny")
    done = sidegate("policy", "test", packs, "--junit", tmp_path)
    assert (done.code, done.err) == (2, f"error: can't open `{tmp_path}`: is a directory\n")


def test_lint_of_the_bundled_packs_finds_no_error():
    """Without a path the packs that come with Sidegate are linted."""
    done = sidegate("policy", "lint")
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("4 packs: 0 errors, ")


def test_lint_reports_errors_of_rules_and_of_tests(packs):
    """Exit code 2, and each finding is a line with its location."""
    path = write(packs, "deny")
    path.write_text((TESTS % "deny").replace("rule: ST-01", "rule: ST-99"))
    done = sidegate("policy", "lint", packs)
    assert done.code == 2
    assert f"error: {path}:9: checks.0.rule: `ST-99` is no rule" in done.out
    csv = packs / "standard" / "policy.csv"
    csv.write_text("p, owner\n" + csv.read_text())
    findings = json.loads(sidegate("policy", "lint", packs, "--json").out)
    assert {"severity": "error", "file": str(csv), "line": 1}.items() <= findings[0].items()


def test_lint_can_be_strict(packs):
    """Warnings stop only whom they shall stop."""
    write(packs, "deny")
    csv = packs / "standard" / "policy.csv"
    csv.write_text(csv.read_text() + csv.read_text().splitlines()[-1] + "\n")
    assert sidegate("policy", "lint", packs).code == 0
    assert sidegate("policy", "lint", packs, "--strict").code == 1


def test_lint_of_nothing_is_wrong(tmp_path):
    """A directory without packs must not pass as clean."""
    done = sidegate("policy", "lint", tmp_path)
    assert (done.code, done.err) == (2, f"error: {tmp_path}: there is no pack in it; a pack has a pack.yaml\n")


def test_show_lists_who_may_do_what_and_by_which_rule():
    """In a pipe each entry is a line."""
    lines = sidegate("policy", "show", "eformsign", "--type", "company").out.splitlines()
    assert lines[0] == "company"
    assert lines[1].split() == ["action", "effect", "rule", "who", "condition"]
    assert "delegate  allow   EF-02   representative_admin on tenant" in lines


def test_show_for_machines_holds_the_same():
    """JSON entries carry the type, too."""
    entries = json.loads(sidegate("policy", "show", POLICIES / "eformsign", "--json").out)
    wanted = {"type": "company", "action": "delegate", "effect": "allow", "rule": "EF-02"}
    assert any(wanted.items() <= entry.items() for entry in entries)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("standart",), "did you mean `standard`?"),
        (("standard", "--type", "documents"), "did you mean `document`?"),
    ],
)
def test_show_of_what_is_not_there_offers_the_nearest(arguments, expected):
    """Exit code 2 and the name that was meant."""
    done = sidegate("policy", "show", *arguments)
    assert done.code == 2
    assert expected in done.err
