"""The wheel alone, outside the repository, is a working sidecar."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT
from support.servers.served import environment


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A directory with what the wheel installs, and nothing of the source tree."""
    target = tmp_path_factory.mktemp("installed")
    build = f"import os; os.chdir({str(ROOT)!r}); from hatchling.build import build_wheel; build_wheel({str(target)!r})"
    subprocess.run([sys.executable, "-c", build], capture_output=True, check=True)
    wheel = next(target.glob("*.whl"))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target / "lib"]
    subprocess.run([*install, wheel], capture_output=True, check=True)
    return target / "lib"


def test_an_installed_sidecar_serves_its_own_packs(installed, tmp_path):
    """`sidegate serve --demo` runs from the installed files, in a directory of its own, and decides."""
    alone = environment(PYTHONPATH=str(installed))
    where = [sys.executable, "-c", "import sidegate, sidegate_adapters as a; print(sidegate.__file__, a.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=alone, capture_output=True, text=True, check=True)
    assert [Path(file).is_relative_to(installed) for file in found.stdout.split()] == [True, True]
    serve = [sys.executable, "-m", "sidegate", "serve", "--demo", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        serve, cwd=tmp_path, env=alone, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        announced = re.search(r"listens on (\S+)", server.stdout.readline())
        assert announced is not None
        check = [sys.executable, "-m", "sidegate", "check", "--tenant", "demo", "uma", "view", "document:contract"]
        asked = subprocess.run(
            check,
            cwd=tmp_path,
            env={**alone, "SIDEGATE_ADDRESS": announced[1]},
            capture_output=True,
            text=True,
            check=False,
        )
        server.send_signal(signal.SIGTERM)
    assert asked.stdout.startswith("ALLOW"), asked.stderr
    assert (tmp_path / "sidegate.db").exists()
