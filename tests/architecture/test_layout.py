"""The layout of the codebase, checked where import-linter cannot."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from support.paths import ROOT

TOP_LEVEL = ("proto", "sidecar", "adapters", "policies", "loadtest", "tests", "helm", "docs")
PACKS = ("standard", "mekari-sign", "engagelab", "eformsign")


def sources() -> list[Path]:
    """Return the hand-written Python files."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split() if "_pb2" not in name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Build the wheel once."""
    target = tmp_path_factory.mktemp("wheel")
    build = f"import hatchling.build as b, os; os.chdir({str(ROOT)!r}); print(b.build_wheel({str(target)!r}))"
    built = subprocess.run([sys.executable, "-c", build], capture_output=True, text=True, check=True)
    return zipfile.ZipFile(target / built.stdout.split()[-1])


@pytest.mark.parametrize("folder", TOP_LEVEL)
def test_top_level_folders_are_not_packages(folder):
    """A top-level folder would shadow another distribution's package of its name if it were importable."""
    assert not (ROOT / folder / "__init__.py").exists()


def test_wheel_holds_two_packages_and_the_packs(wheel):
    """The wheel ships sidegate, its adapters and nothing else at the top."""
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"sidegate", "sidegate_adapters"}


@pytest.mark.parametrize("pack", PACKS)
def test_wheel_holds_each_pack_whole(wheel, pack):
    """A pack travels with its schema, model, rules, table and tests."""
    names = set(wheel.namelist())
    for part in ("pack.yaml", "model.conf", "policy.csv", "README.md"):
        assert f"sidegate/packs/{pack}/{part}" in names
    assert any(name.startswith(f"sidegate/packs/{pack}/tests/") for name in names)


def test_wheel_holds_schemas_migrations_and_type_markers(wheel):
    """Data files that the code reads at run time are in the wheel."""
    names = set(wheel.namelist())
    for schema in ("callers", "facts", "pack", "policy-test"):
        assert f"sidegate/schemas/{schema}.schema.json" in names
    assert {"sidegate/py.typed", "sidegate_adapters/py.typed"} <= names
    assert any("sidegate_adapters/sql/migrations/versions/" in name for name in names)


def test_no_module_is_over_500_lines():
    """A module that long is missing a room."""
    long = {str(path.relative_to(ROOT)): n for path in sources() if (n := path.read_text().count("\n")) > 500}
    assert long == {}


def test_no_folder_holds_more_than_15_python_files():
    """A folder with more files no longer reads as a table of contents; generated code and migrations grow by rule."""
    folders = Counter(str(path.relative_to(ROOT).parent) for path in sources())
    crowded = {folder: n for folder, n in folders.items() if n > 15 and not folder.endswith("sql/migrations/versions")}
    assert crowded == {}


def test_no_function_is_over_60_lines():
    """A function that long does more than one thing."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert long == []


def test_modules_are_named_for_what_they_hold():
    """Names that hold anything hold nothing."""
    empty = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
    assert [str(path.relative_to(ROOT)) for path in sources() if path.stem in empty] == []


def test_runtime_requirements_are_those_of_the_distribution():
    """The lock is compiled from the same names and bounds that pyproject.toml declares."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (ROOT / "requirements/runtime.in").read_text().splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert sorted(declared) == sorted(listed)


@pytest.mark.parametrize("lock", ["runtime.lock", "dev.lock", "release.lock", "advisories.lock"])
def test_locks_carry_hashes_and_no_address(lock):
    """Every pin has a hash, and where packages come from is the machine's business."""
    text = (ROOT / "requirements" / lock).read_text()
    pins = [block for block in text.replace("\\\n", " ").splitlines() if block and not block.strip().startswith("#")]
    assert pins
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_paths_of_where_to_find_things_exist():
    """Each row of the table names files or folders that are there."""
    text = (ROOT / "docs/architecture.md").read_text()
    section = text.partition("\n## Where to find things\n")[2].partition("\n## ")[0]
    _, _, *rows = (line for line in section.splitlines() if line.startswith("|"))
    paths = [re.findall(r"`([^`]+)`", row) for row in rows]
    assert len(rows) > 15
    assert all(paths)
    assert [path for named in paths for path in named if not (ROOT / path).exists()] == []
