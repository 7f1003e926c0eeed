"""Policy test files: what they become, and what stops them."""

from pathlib import Path

import pytest

from sidegate.errors import PolicyTestError
from sidegate.model.question import Request, Resource, Subject
from sidegate.policy.pack.load import load_pack
from sidegate.policy.testing.file import find_test_files, read_test_file, read_test_files, unknown_names
from support.packs.packs import write_pack

FILE = """\
pack: small
facts:
  tenants:
    acme: {members: {uma: {}}}
checks:
  - {rule: SM-02, tenant: acme, subject: uma, action: view, resource: "note:a:b", expect: allow}
  - rule: SM-03
    note: Claims change nothing.
    tenant: acme
    subject: uma
    action: edit
    resource: note:*
    expect: deny
    reason: quota_exhausted
    decided_by: ""
    properties: {status: draft}
    subject_properties: {quota: 5}
    context: {ip: 10.0.0.1}
"""


def write(directory: Path, text: str = FILE, name: str = "test.yaml") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(path: Path) -> list[str]:
    with pytest.raises(PolicyTestError) as caught:
        read_test_file(path)
    return [str(fault).removeprefix(f"{path.parent}/") for fault in caught.value.faults]


def test_a_check_becomes_a_request_with_what_must_come_back(tmp_path: Path) -> None:
    """All parts of a check reach the request; what it does not expect is None."""
    file = read_test_file(write(tmp_path))
    first, second = file.checks

    assert file.pack == "small"
    assert first.request == Request("acme", Subject("uma"), "view", Resource("note", "a:b"))
    assert (first.allowed, first.reason, first.decided_by, first.line) == (True, None, None, 6)
    assert second.request == Request(
        "acme",
        Subject("uma", properties={"quota": 5}),
        "edit",
        Resource("note", "*", {"status": "draft"}),
        {"ip": "10.0.0.1"},
    )
    assert (second.allowed, second.reason, second.decided_by, second.line) == (False, "quota_exhausted", "", 7)
    assert second.note == "Claims change nothing."


def test_inline_facts_keep_their_lines(tmp_path: Path) -> None:
    """A fault in facts inside the test file names its line."""
    file = read_test_file(write(tmp_path))

    assert file.facts.value == {"tenants": {"acme": {"members": {"uma": {}}}}}
    assert file.facts.line(("tenants", "acme")) == 4


def test_facts_by_path_are_relative_to_the_file(tmp_path: Path) -> None:
    """A path of facts is relative to the test file, and the faults of these facts name their own file."""
    write(tmp_path, "tenants: {acme: {}}\n", "facts/acme.yaml")
    text = FILE.replace("facts:\n  tenants:\n    acme: {members: {uma: {}}}\n", "facts: facts/acme.yaml\n")
    file = read_test_file(write(tmp_path, text))

    assert file.facts.value == {"tenants": {"acme": {}}}
    assert file.facts.file == str(tmp_path / "facts/acme.yaml")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("expect: allow", "expect: permit", "test.yaml:6: checks.0.expect: `permit` is not right: expected one of "),
        ("    tenant: acme\n", "", "test.yaml:7: checks.1: `tenant` is missing"),
        ("decided_by", "decidedby", "test.yaml:15: checks.1.decidedby: unknown key `decidedby`: did you mean "),
        ("resource: note:*", "resource: note", "test.yaml:12: checks.1.resource: `note` is not right: expected a type"),
        ("subject: uma,", "subject: 7,", "test.yaml:6: checks.0.subject: `7` is not right: expected text"),
        ("  tenants:", "  tenant:", "test.yaml:2: facts: `tenants` is missing"),
        ("pack: small", "pack: [small]", 'test.yaml:1: pack: `["small"]` is not right: expected text'),
        ("tenant: acme,", 'tenant: "a\\u202Ecme",', "test.yaml:6: checks.0.tenant: `a\\u202ecme`: expected no U+202E "),
        ("{ip: 10", '{"i\\u200Bp": 10', "test.yaml:18: checks.1.context.i\\u200bp: `i\\u200bp`: expected no U+200B "),
        ("pack: small", "pack: small\npack: big", "test.yaml:2: key `pack` is given twice"),
    ],
)
def test_a_wrong_file_names_line_and_key(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """Each fault of a test file names its line and what would be right."""
    assert FILE.count(old) == 1
    (found,) = faults_of(write(tmp_path, FILE.replace(old, new)))

    assert found.startswith(fault)


def test_facts_that_are_not_there_are_a_fault_of_the_file(tmp_path: Path) -> None:
    """A path to a missing file is a fault on the line that names it."""
    text = FILE.replace("facts:\n  tenants:\n    acme: {members: {uma: {}}}\n", "facts: nowhere.yaml\n")

    assert faults_of(write(tmp_path, text)) == ["test.yaml:2: facts: `nowhere.yaml` is no file relative to this one"]


def test_the_faults_of_all_files_are_reported_together(tmp_path: Path) -> None:
    """The faults of several wrong files are in one error."""
    paths = [write(tmp_path, "pack: 1\n", "a.yaml"), write(tmp_path, "\t", "b.yaml"), tmp_path / "c.yaml"]
    with pytest.raises(PolicyTestError) as caught:
        read_test_files(paths)

    assert {Path(fault.file).name for fault in caught.value.faults} == {"a.yaml", "b.yaml", "c.yaml"}


def test_test_files_are_found_in_the_folders_of_packs(tmp_path: Path) -> None:
    """In a directory of packs, test files are the YAML files directly inside `tests` folders."""
    for name in ("b/tests/two.yaml", "a/tests/one.yml", "a/tests/facts/acme.yaml", "a/demo.yaml", "a/tests/README.md"):
        write(tmp_path, name=name)

    assert find_test_files(tmp_path) == (tmp_path / "a/tests/one.yml", tmp_path / "b/tests/two.yaml")
    assert find_test_files(tmp_path / "a") == (tmp_path / "a/tests/one.yml",)
    assert find_test_files(tmp_path / "a/tests/facts") == (tmp_path / "a/tests/facts/acme.yaml",)
    assert find_test_files(tmp_path / "a/demo.yaml") == (tmp_path / "a/demo.yaml",)


@pytest.mark.parametrize(("name", "fault"), [("", "there is no test file in it"), ("x", "no such file or directory")])
def test_no_test_file_is_a_fault_not_a_success(tmp_path: Path, name: str, fault: str) -> None:
    """A run of nothing never passes: an empty directory and a mistyped path are faults."""
    with pytest.raises(PolicyTestError, match=fault):
        find_test_files(tmp_path / name)


def test_names_that_no_pack_knows_are_faults(tmp_path: Path) -> None:
    """A mistyped rule or reason is a fault, since the check could never pass for it."""
    schema = load_pack(write_pack(tmp_path / "small")).schema
    text = FILE.replace("rule: SM-02", "rule: SM-2O").replace("quota_exhausted", "quota_exhaused")
    file = read_test_file(write(tmp_path, text))

    assert [str(fault).removeprefix(f"{tmp_path}/") for fault in unknown_names(file, [schema])] == [
        "test.yaml:6: checks.0.rule: `SM-2O` is no rule: did you mean `SM-02`?",
        "test.yaml:14: checks.1.reason: `quota_exhaused` is no reason: did you mean `quota_exhausted`?",
    ]
    assert not list(unknown_names(read_test_file(write(tmp_path)), [schema]))
