"""The scripts that measure, kept alive by running them small."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT


def run(script: str, *flags: str, **environment: str) -> str:
    """Run a script to its end, and return what it prints."""
    paths = [str(ROOT / room) for room in ("tests", "sidecar", "adapters")]
    done = subprocess.run(
        [sys.executable, ROOT / "loadtest" / script, "--quick", *flags],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_the_store_is_measured(store: str, tmp_path: Path) -> None:
    """The script fills a database of each size, asks all of them, prints a line for each question, and tidies up."""
    # PostgreSQL can't be where pytest keeps its files: others than their owner may not enter.
    variables = {"TMPDIR": str(tmp_path)} if store == "sqlite" else {}
    printed = run("store.py", "--store", store, **variables)
    lines = [line.split(" | ") for line in printed.splitlines() if line.startswith(("| SQLite", "| PostgreSQL"))]
    assert len(lines) > 15
    assert {len(line) for line in lines} == {4}
    assert list(tmp_path.iterdir()) == []


def test_lists_are_measured(tmp_path: Path) -> None:
    """The script asks each list in tenants of both sizes, finds what there is to find, and tidies up."""
    lines = [line.split(" | ") for line in run("lists.py", TMPDIR=str(tmp_path)).splitlines()]
    reported = {line[0]: (line[1], line[4]) for line in lines if len(line) == 7}
    assert reported["| resources: allowed on three"] == ("3", "3")
    assert reported["| resources: allowed on none"] == ("0", "0")
    assert reported["| resources: none, and all are asked about"] == ("0", "0")
    assert reported["| subjects: three, by roles on the document, and the owner"] == ("4", "4")
    assert reported["| subjects: everyone, by a role on the tenant"] == ("50", "50")
    assert list(tmp_path.iterdir()) == []
