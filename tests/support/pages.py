"""A page of the documentation whose commands are run as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

from support.paths import ROOT
from support.servers.cli import environment, sidecar

_DOCS = ROOT / "docs"
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_END_ALL = "trap 'kill $(jobs -p) 2> kill.log' EXIT"
"""Ends the servers that a page has started, also where one of its commands fails."""
_MARK = "--- what comes is the output of command"


def page(name: str) -> str:
    """Return the text of a page."""
    return (_DOCS / name).read_text(encoding="utf-8")


def shown_and_printed(text: str, directory: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Run the commands of a page, in their order and in one shell, against a server; compare what this returns.

    It is the lines that each command shows there and those that it printed, both without what differs between runs.
    """
    with sidecar(directory, "--drain", "0") as running:
        return run_page(text.replace("127.0.0.1:8282", running.address), directory)


def run_page(text: str, directory: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Run the commands of a page that starts its servers itself, and return what `shown_and_printed` does."""
    steps = _steps(text)
    lines = [_END_ALL]
    for number, (command, _) in enumerate(steps):
        lines += [f"echo '{_MARK} {number}'", command]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env=environment(PATH=path, NO_COLOR="1", COLUMNS="200"),
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    printed = re.split(rf"^{_MARK} \d+\n", run.stdout, flags=re.MULTILINE)[1:]
    return [_steady(output) for _, output in steps], [_steady(output) for output in printed]


def _steps(text: str) -> list[tuple[str, str]]:
    """Return each command of a page, which goes on in lines after `>`, with the output that it shows."""
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            first, *rest = part.split("\n")
            more = [*takewhile(lambda line: line.startswith("> "), rest)]
            command = "\n".join([first, *(line.removeprefix("> ") for line in more)])
            found.append((command, "\n".join(rest[len(more) :])))
    return found


def _steady(output: str) -> list[str]:
    """Return the lines of an output without times, tokens, digests, and the blanks at their ends."""
    output = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "…", output.strip())
    varying = r"^(  (?:revision|policy) +|To go on: --cursor |There are more: --page )\S+$"
    output = re.sub(varying, r"\1…", output, flags=re.MULTILINE)
    output = re.sub(r"(token=)\S+", r"\1…", output)
    return [line.rstrip() for line in output.splitlines()]
