"""What the README shows is what a new user sees."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

BIN = Path(sys.executable).parent
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_VARIES = (
    (re.compile(r"(revision +)\S+"), r"\1…"),
    (re.compile(r'("revision": )"[\w-]{44}"'), r'\1"…"'),
    (re.compile(r'("decisionId": )"[0-9a-f]+-\d+"'), r'\1"…"'),
)


def shown() -> Iterator[tuple[str, str]]:
    """Yield each command of the README with the output that it shows."""
    for block in _BLOCK.findall((ROOT / "README.md").read_text()):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def steady(output: str) -> str:
    """Return an output without what differs from one run to the next."""
    for pattern, replacement in _VARIES:
        output = pattern.sub(replacement, output)
    return output.strip()


@pytest.fixture
def home(tmp_path) -> Path:
    """A working directory with the project's virtual environment and its contract, named as the README names them."""
    (tmp_path / ".venv").symlink_to(BIN.parent)
    (tmp_path / "proto").symlink_to(ROOT / "proto")
    return tmp_path


@pytest.fixture
def server(home) -> Iterator[str]:
    """The demo sidecar on a free port, started by what `make run` starts; yields its address."""
    recipe = re.search(r"sidegate (serve .*)", (ROOT / "Makefile").read_text())
    assert recipe is not None
    (home / ".sidegate").mkdir()
    command = [BIN / "sidegate", *recipe[1].split(), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        announced = re.search(r"listens on (\S+)", process.stdout.readline())
        assert announced is not None
        yield announced[1]
        process.send_signal(signal.SIGTERM)


def test_the_first_minute_is_as_shown(home, server):
    """Each command of the README, in its order, prints what the README shows."""
    steps = list(shown())
    assert len(steps) > 5
    environment = {**os.environ, "SIDEGATE_ADDRESS": server, "NO_COLOR": "1", "COLUMNS": "200"}
    for command, expected in steps:
        run = subprocess.run(
            ["bash", "-c", command.replace("127.0.0.1:8282", server)],
            cwd=home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert steady(run.stdout) == steady(expected), command


def test_every_file_that_the_readme_links_is_there():
    """A link of the README leads somewhere."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
