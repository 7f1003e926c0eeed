"""`make advisories` fails where a locked package has an advisory, and where one could not be checked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

LOCK = """\
first==1.0 \\
    --hash=sha256:00
    # via -r some.in
Second_Part[extra]==2.1 ; sys_platform == 'win32' \\
    --hash=sha256:01
"""
STUB = """\
import pathlib, sys
given = pathlib.Path(sys.argv[-1]).read_text()
assert given == "first==1.0\\nsecond-part==2.1\\n", given
print(pathlib.Path(__file__).with_name("report.json").read_text())
"""
FIRST, SECOND = (
    {"name": name, "version": version, "vulns": []} for name, version in (("first", "1.0"), ("second.part", "2.1"))
)
ADVISORY = {"id": "CVE-2026-1", "fix_versions": ["1.1"], "aliases": []}


def outcome(directory: Path, report: str, *, lock: str = LOCK) -> tuple[int, str]:
    """Check a lock with a report of pip-audit; return the exit code and what was printed."""
    (directory / "pip_audit.py").write_text(STUB)
    (directory / "report.json").write_text(report)
    (directory / "some.lock").write_text(lock)
    done = subprocess.run(
        [sys.executable, ROOT / "release/advisories.py", directory / "some.lock"],
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONPATH": str(directory)},
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("packages", "code", "line"),
    [
        ([FIRST, SECOND], 0, "some.lock: 2 packages, 0 advisories, 0 not checked"),
        ([{**FIRST, "vulns": [ADVISORY]}, SECOND], 1, "advisory: first 1.0: CVE-2026-1, fixed in 1.1"),
        ([FIRST], 2, "not checked: second-part 2.1: the report does not name it"),
        ([FIRST, {"name": "second-part", "skip_reason": "not found"}], 2, "not checked: second-part 2.1: not found"),
        ([FIRST, {**SECOND, "version": "2.0"}], 2, "not checked: second-part 2.1: the report does not name it"),
        ([{**FIRST, "vulns": [ADVISORY]}], 2, "advisory: first 1.0: CVE-2026-1, fixed in 1.1"),
    ],
)
def test_each_locked_package_must_be_checked_and_without_an_advisory(tmp_path, packages, code, line):
    """A package that was passed over, or looked up in another version, is no success."""
    found, printed = outcome(tmp_path, json.dumps({"dependencies": packages, "fixes": []}))
    assert found == code
    assert line in printed


def test_no_report_is_no_success(tmp_path):
    """Where pip-audit can't reach its database it prints an error and no report."""
    assert outcome(tmp_path, "no connection") == (
        2,
        "some.lock: could not be checked: pip-audit made no report: it printed nothing\n",
    )


@pytest.mark.parametrize("line", ["first>=1.0", "./here", "git+https://example.org/first"])
def test_a_line_that_is_no_pin_is_no_success(tmp_path, line):
    """A lock that can't be read as a whole was not checked."""
    code, printed = outcome(tmp_path, "{}", lock=f"{LOCK}{line}\n")
    assert code == 2
    assert f"`{line}` names no package with its version" in printed
