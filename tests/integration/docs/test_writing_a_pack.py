"""The pack that docs/writing-a-pack.md makes is a working one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support.paths import ROOT
from support.servers.served import SIDEGATE, environment

PAGE = (ROOT / "docs/writing-a-pack.md").read_text()
FILES = re.findall(r"```\w+ (\S+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^\$ sidegate (.*)$", PAGE, re.MULTILINE)


@pytest.fixture
def directory(tmp_path) -> Path:
    """The page's files, as it names them."""
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(directory: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SIDEGATE, *command.split()], cwd=directory, env=environment(), capture_output=True, text=True, check=False
    )


def test_the_pages_commands_succeed(directory):
    """Each command of the page ends well on the page's files, without a finding."""
    assert len(FILES) == 4
    assert len(COMMANDS) == 4
    for command in COMMANDS:
        ended = run(directory, command)
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
        if command.startswith("policy lint"):
            assert ended.stdout == "1 pack: 0 errors, 0 warnings\n"


@pytest.mark.parametrize("row", range(6))
def test_no_rule_of_the_page_is_idle(directory, row):
    """The page's tests fail as soon as any one of its rows never matches."""
    policy = directory / "notes/policy.csv"
    rows = [line.split(", ") for line in policy.read_text().splitlines()]
    rows[row][5] = "False"
    policy.write_text("\n".join(map(", ".join, rows)) + "\n")
    assert run(directory, "policy test notes").returncode == 1
