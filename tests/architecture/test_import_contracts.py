"""Each import contract of pyproject.toml is broken by the imports that it forbids, and every library has a contract."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise, permutations, product
from pathlib import Path
from typing import Any

import pytest

from support.paths import ROOT

_LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: Mapping[str, Mapping[str, Any]] = {contract["name"]: contract for contract in _LINTER["contracts"]}
ROOTS: frozenset[str] = frozenset(_LINTER["root_packages"])
SOURCES = {"sidegate": ROOT / "sidecar/sidegate", "sidegate_adapters": ROOT / "adapters/sidegate_adapters"}
_COMMAND = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"


def is_package(module: str) -> bool:
    """Return whether a module of ours is a package."""
    root, _, rest = module.partition(".")
    return (SOURCES[root] / rest.replace(".", "/")).is_dir()


def importer(module: str) -> str:
    """Return the module that gets the forbidden import: a new one in a package, or the module itself."""
    return f"{module}.violation" if is_package(module) else module


def packages(module: str) -> list[str]:
    """Return what is directly in a root package, packages and modules; any other module alone."""
    if module not in ROOTS:
        return [module]
    inside = [*(path.parent for path in SOURCES[module].glob("*/__init__.py")), *SOURCES[module].glob("[!_]*.py")]
    return [f"{module}.{path.stem}" for path in sorted(inside)]


def is_inside(module: str, package: str) -> bool:
    """Return whether a module is a package, or in it."""
    return f"{module}.".startswith(f"{package}.")


def is_allowed(contract: Mapping[str, Any], source: str, target: str) -> bool:
    """Return whether an exception of the contract allows an import."""
    for allowed in contract.get("ignore_imports", ()):
        parts = (re.escape(part).replace(r"\*\*", ".+").replace(r"\*", "[^.]+") for part in allowed.split(" -> "))
        if all(re.fullmatch(part, module) for part, module in zip(parts, (source, target), strict=True)):
            return True
    return False


def imports_of_forbidden(contract: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield an import of each forbidden module by each package that the contract is about."""
    sources = [package for module in contract["source_modules"] for package in packages(module)]
    for package, target in product(
        sources, [package for module in contract["forbidden_modules"] for package in packages(module)]
    ):
        if not is_inside(package, target) and not is_allowed(contract, importer(package), target):
            yield importer(package), target


def imports_of_protected(contract: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield an import of each protected module by each package that is not allowed to."""
    for package, target in product(
        [package for root in sorted(ROOTS) for package in packages(root)], contract["protected_modules"]
    ):
        if not any(is_inside(package, allowed) for allowed in (*contract["allowed_importers"], target)):
            yield importer(package), target


def imports_of_higher_layers(contract: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield an import of each module of the next higher layer, and of each other one of the same layer."""
    for container in contract["containers"]:
        layers = [[f"{container}.{name}" for name in layer.split(" | ")] for layer in contract["layers"]]
        for higher, lower in pairwise(layers):
            yield from ((importer(source), target) for source, target in product(lower, higher))
        for layer in layers:
            yield from ((importer(source), target) for source, target in permutations(layer, 2))


def imports_of_independent(contract: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield an import of each independent module by each other one."""
    return ((importer(source), target) for source, target in permutations(contract["modules"], 2))


VIOLATIONS = {
    "forbidden": imports_of_forbidden,
    "independence": imports_of_independent,
    "layers": imports_of_higher_layers,
    "protected": imports_of_protected,
}
"""The imports that break a contract, by its type."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """Return a copy of the sources and of the contracts."""
    root = tmp_path_factory.mktemp("sources")
    for name, path in SOURCES.items():
        shutil.copytree(path, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def broken(tree: Path) -> tuple[set[str], str]:
    """Return the names of the contracts that the tree breaks, and the whole report."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "1000", "NO_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, "-c", _COMMAND, "--no-cache", "--no-logo"],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    report = run.stdout + run.stderr
    assert "Contracts: " in report, report
    return {name for name in CONTRACTS if f"\n{name} BROKEN" in report}, report


def test_the_copied_sources_keep_every_contract(tree):
    """A contract that a violation breaks was kept before."""
    assert broken(tree)[0] == set()


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_forbidden_import_breaks_its_contract(tree, name):
    """Each package that a contract is about, with each import that it forbids there, is reported under its name."""
    imports: defaultdict[str, list[str]] = defaultdict(list)
    for source, target in VIOLATIONS[CONTRACTS[name]["type"]](CONTRACTS[name]):
        imports[source].append(target)
    assert imports
    before = {}
    for source, targets in imports.items():
        path = (tree / source.replace(".", "/")).with_suffix(".py")
        before[path] = path.read_text() if path.exists() else None
        path.write_text("".join([before[path] or "", *(f"import {target}\n" for target in targets)]))
    try:
        names, report = broken(tree)
    finally:
        for path, text in before.items():
            path.unlink() if text is None else path.write_text(text)

    assert name in names
    _, _, found = report.partition(f"\n{name}\n---")
    pairs = [(source, target) for source, targets in imports.items() for target in targets]
    assert [f"{source} -> {target}" for source, target in pairs if f"{source} -> {target} (" not in found] == []


def test_every_library_has_a_contract():
    """No library is imported that a contract does not keep to the packages that need it."""
    known = {module for contract in CONTRACTS.values() for module in contract.get("forbidden_modules", ())}
    imported = {
        name.partition(".")[0]
        for root in SOURCES.values()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in imported_by(node)
    }
    assert imported - known - ROOTS - sys.stdlib_module_names == set()


def imported_by(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


@pytest.mark.parametrize("name", [name for name, contract in CONTRACTS.items() if contract["type"] == "forbidden"])
def test_a_contract_about_a_library_covers_all_sources(name):
    """A library is forbidden everywhere but in the packages that are named as exceptions."""
    contract = CONTRACTS[name]
    if any(module.partition(".")[0] not in ROOTS for module in contract["forbidden_modules"]):
        assert set(contract["source_modules"]) == ROOTS
