"""docs/membership.md: its commands, in their order, in one shell, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

from support.cli import environment, sidecar

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_MARK = "--- what comes is the output of command"


def steps() -> list[tuple[str, str]]:
    """Return each command of the page, which goes on in lines after `>`, with the output that it shows."""
    text = (ROOT / "docs/membership.md").read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            first, *rest = part.split("\n")
            more = [*takewhile(lambda line: line.startswith("> "), rest)]
            command = "\n".join([first, *(line.removeprefix("> ") for line in more)])
            found.append((command, "\n".join(rest[len(more) :])))
    return found


def steady(output: str) -> str:
    """Return an output without what differs from one run to the next."""
    return re.sub(r"^(  (?:revision|policy) +)\S+$", r"\1…", output, flags=re.MULTILINE).strip()


def test_the_story_is_as_shown(tmp_path):
    """Each command of the page prints what the page shows, invitations and confirmations among them."""
    told = steps()
    assert len(told) > 30
    with sidecar(tmp_path, "--drain", "0") as running:
        lines = []
        for number, (command, _) in enumerate(told):
            lines += [f"echo '{_MARK} {number}'", command.replace("127.0.0.1:8282", running.address)]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        run = subprocess.run(
            ["bash", "-c", "\n".join(lines)],
            env=environment(PATH=path, NO_COLOR="1", COLUMNS="200"),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=110,
            check=False,
        )
    printed = re.split(rf"^{_MARK} \d+\n", run.stdout, flags=re.MULTILINE)[1:]
    assert [steady(output) for output in printed] == [steady(output) for _, output in told]
