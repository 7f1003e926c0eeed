"""docs/history.md: its commands, in their order, in one shell, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support.cli import environment, sidecar

PAGE = (Path(__file__).parents[2] / "docs/history.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_MARK = "--- what comes is the output of command"


def steady(output: str) -> list[str]:
    """Return the lines of an output, all their times as one and without the blanks at their ends."""
    return [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "…", line).rstrip() for line in output.strip().splitlines()]


def test_the_page_is_as_shown(tmp_path):
    """Each command of the page prints what the page shows."""
    parts = [part for block in _BLOCK.findall(PAGE) for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    told = [part.partition("\n")[::2] for part in parts]
    assert len(told) > 15
    with sidecar(tmp_path, "--drain", "0") as running:
        lines = []
        for number, (command, _) in enumerate(told):
            lines += [f"echo '{_MARK} {number}'", command.replace("127.0.0.1:8282", running.address)]
        run = subprocess.run(
            ["bash", "-c", "\n".join(lines)],
            env=environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=110,
            check=False,
        )
    printed = re.split(rf"^{_MARK} \d+\n", run.stdout, flags=re.MULTILINE)[1:]
    assert [steady(output) for output in printed] == [steady(output) for _, output in told]
