"""The scripts that measure, kept alive by running them small."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_the_store_is_measured(store: str, tmp_path: Path) -> None:
    """The script fills a database of each size, asks all of them, prints a line for each question, and tidies up."""
    # PostgreSQL can't be where pytest keeps its files: others than their owner may not enter.
    place = {"TMPDIR": str(tmp_path)} if store == "sqlite" else {}
    paths = [str(ROOT / room) for room in ("tests", "sidecar", "adapters")]
    done = subprocess.run(
        [sys.executable, ROOT / "loadtest" / "store.py", "--quick", "--store", store],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **place},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith(("| SQLite", "| PostgreSQL"))]
    assert len(lines) > 15
    assert {len(line) for line in lines} == {4}
    assert list(tmp_path.iterdir()) == []
