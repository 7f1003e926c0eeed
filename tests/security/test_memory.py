"""No request takes memory that is not returned: the attacks of `loadtest/memory.py`, a few calls of each."""

from __future__ import annotations

import os
import subprocess
import sys

from support.paths import ROOT


def test_memory_stays_under_the_goal_after_every_attack():
    """Large and undeclared claims, unknown names, deep and compressed messages, documents, lists, batches, leavers.

    A call may be refused, and the sidecar still answers after each attack.
    """
    paths = [str(ROOT / folder) for folder in ("sidecar", "adapters")]
    done = subprocess.run(
        [sys.executable, ROOT / "loadtest" / "memory.py", "--quick"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.endswith((" | met |", " | missed |"))]
    assert [row[0] for row in rows if row[-1] != "met |"] == [], done.stdout
    assert (done.returncode, len(rows)) == (0, 14), done.stderr
    ended = {row[0].strip("| "): row[2] for row in rows}
    assert ended["undeclared claims of 400 kB, 2 kB with gzip"] == "RESOURCE_EXHAUSTED 2"
    assert ended["deep properties"].startswith("INVALID_ARGUMENT")
    assert ended["gzip: 15 and 60 MiB in a few kB"] == "RESOURCE_EXHAUSTED 2"
