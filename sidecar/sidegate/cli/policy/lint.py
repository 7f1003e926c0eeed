"""`sidegate policy lint`: errors that keep a pack from loading, and warnings for a reviewer."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.text import Text

from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import console, print_json, styled
from sidegate.cli.shell.failures import BAD_INPUT, DENIED
from sidegate.cli.shell.local_packs import packs_in, packs_outside
from sidegate.engine import ENGINES
from sidegate.errors import Fault, FaultyFiles, PackError
from sidegate.policy.lint.findings import lint_pack
from sidegate.policy.pack.compile import compile_pack
from sidegate.policy.pack.load import SCHEMA, load_pack
from sidegate.policy.pack.registry import bundled_packs, outside
from sidegate.policy.pack.schema import Pack
from sidegate.policy.testing.file import TESTS, find_test_files, read_test_files, unknown_names

EXAMPLES = (
    ("Lint the packs of a directory", "sidegate policy lint policies/"),
    ("Let warnings stop a merge", "sidegate policy lint policies/standard --strict"),
    ("For an editor", "sidegate policy lint policies/ --json"),
)
ERROR, WARNING = "error", "warning"
_STYLES = {ERROR: "bold red", WARNING: "bold yellow"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault and its severity: an error keeps the server from starting, a warning does not."""

    severity: str
    fault: Fault


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit with 1 where there are warnings.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def lint(paths: tuple[Path, ...], *, strict: bool, as_json: bool) -> None:
    """Report what is wrong with packs, with file and line.

    PATH is a pack or a directory of packs; without one it is the packs that come with Sidegate. An error keeps the
    server from starting, and the exit code is 2; a warning is for a reviewer.
    """
    directories = [directory for path in paths or (bundled_packs(),) for directory in _packs(path)]
    strays = [Finding(ERROR, outside(pack)) for path in paths for pack in packs_outside(path)]
    findings = [*strays, *_findings(directories)]
    if as_json:
        print_json([{"severity": finding.severity, **asdict(finding.fault)} for finding in findings])
    else:
        _print(findings, len(directories))
    if any(finding.severity == ERROR for finding in findings):
        sys.exit(BAD_INPUT)
    if strict and findings:
        sys.exit(DENIED)


def _packs(path: Path) -> Sequence[Path]:
    """Return the pack itself, or those inside a directory.

    Raises:
        PackError: there is none.
    """
    found = packs_in(path)
    if not found and not packs_outside(path):
        what = f"there is no pack in it; a pack has a {SCHEMA}" if path.is_dir() else "no such directory"
        raise PackError(Fault(str(path), 0, "", what))
    return found


def _findings(directories: Sequence[Path]) -> Iterator[Finding]:
    packs: list[Pack] = []
    for directory in directories:
        try:
            pack = load_pack(directory)
            compile_pack(pack, ENGINES["reference"])
        except FaultyFiles as error:
            yield from (Finding(ERROR, fault) for fault in error.faults)
            continue
        packs.append(pack)
        yield from (Finding(WARNING, fault) for fault in lint_pack(pack))
    yield from (Finding(ERROR, fault) for pack in packs for fault in _test_faults(Path(pack.directory), packs))


def _test_faults(directory: Path, packs: Sequence[Pack]) -> Iterator[Fault]:
    if not (directory / TESTS).is_dir():
        yield Fault(str(directory / TESTS), 0, "", "a pack comes with tests; `sidegate policy test` runs them")
        return
    try:
        files = read_test_files(find_test_files(directory / TESTS))
    except FaultyFiles as error:
        yield from error.faults
        return
    schemas = [pack.schema for pack in packs]
    for file in files:
        yield from unknown_names(file, schemas)


def _print(findings: Sequence[Finding], packs: int) -> None:
    target = console()
    for finding in findings:
        target.print(Text(finding.severity, _STYLES[finding.severity]), styled(f": {finding.fault}"), sep="")
    errors = sum(finding.severity == ERROR for finding in findings)
    style = "red" if errors else "yellow" if findings else "green"
    counts = f"{errors} {_plural(errors, ERROR)}, {len(findings) - errors} {_plural(len(findings) - errors, WARNING)}"
    target.print(Text(f"{packs} {_plural(packs, 'pack')}: {counts}", f"bold {style}"))


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
