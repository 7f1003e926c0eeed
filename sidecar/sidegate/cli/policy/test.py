"""`sidegate policy test`: runs the checks of policy test files at one of three depths."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from sidegate.bootstrap.policy_tests import DEPTHS, answerer
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import console, print_table, styled
from sidegate.cli.shell.failures import DENIED
from sidegate.cli.shell.inputs import unreadable
from sidegate.documents.yaml import Document
from sidegate.engine import DEFAULT_ENGINE, ENGINES
from sidegate.errors import FaultyFiles, PolicyTestError
from sidegate.model.decision import Decision
from sidegate.model.identifiers import visible
from sidegate.model.question import Request
from sidegate.policy.pack.load import SCHEMA
from sidegate.policy.testing.file import PolicyTestFile, find_test_files, read_test_files
from sidegate.policy.testing.report import COLUMNS, failures, summary, to_json, to_junit
from sidegate.policy.testing.run import Answerer, CheckResult, run_tests

EXAMPLES = (
    ("Test the packs of a directory", "sidegate policy test policies/"),
    (
        "One file, through a server on a port of its own",
        "sidegate policy test policies/standard/tests/roles.yaml --through service",
    ),
    ("With a report for CI", "sidegate policy test policies/ --junit build/policy.xml"),
    ("Tests that are not in the directory of a pack", "sidegate policy test acceptance/ --policies policies/"),
)


@dataclass(frozen=True, slots=True)
class _RunOptions:
    """What answers the checks."""

    through: str
    engine: str


@click.command("test", cls=Command, examples=EXAMPLES)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option(
    "--through",
    type=click.Choice(list(DEPTHS)),
    default="engine",
    show_default=True,
    help="What answers: the evaluator, the decision chain over a store, or a gRPC server.",
)
@click.option(
    "--engine", type=click.Choice(sorted(ENGINES)), default=DEFAULT_ENGINE, show_default=True, help="The engine."
)
@click.option("--policies", type=click.Path(path_type=Path), help="The packs.  [default: the packs around the tests]")
@click.option("--junit", type=click.Path(path_type=Path), help="Write a JUnit XML report to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print all results as JSON.")
def test(paths: tuple[Path, ...], *, policies: Path | None, junit: Path | None, as_json: bool, **options: str) -> None:
    """Ask the checks of policy test files, and compare the answers.

    PATH is a test file, a pack, or a directory of packs. A check fails if the decision differs, or the reason or the
    deciding rule where the file gives them. Exit codes: 0 all pass, 1 some fail, 2 the files are wrong.
    """
    found = dict.fromkeys(chain.from_iterable(map(find_test_files, paths)))
    files = read_test_files(found)
    with _progress(files, quiet=as_json) as advance:
        results = asyncio.run(_run(_by_packs(files, policies), _RunOptions(**options), advance))
    if junit:
        _write(junit, to_junit(results))
    if as_json:
        click.echo(to_json(results))
    else:
        _print(files, results)
    if not all(result.passed for result in results):
        sys.exit(DENIED)


def _by_packs(files: Iterable[PolicyTestFile], policies: Path | None) -> Mapping[Path | None, list[PolicyTestFile]]:
    """Return the test files by the directory of the packs they test; None is that of the bundled ones."""
    found: defaultdict[Path | None, list[PolicyTestFile]] = defaultdict(list)
    for file in files:
        found[policies or _packs_around(Path(file.file))].append(file)
    return found


def _packs_around(file: Path) -> Path | None:
    """Return the directory of packs around a test file, or the pack alone; None where it is in none."""
    pack = next((path for path in file.absolute().parents if (path / SCHEMA).is_file()), None)
    if pack is None:
        return None
    beside = [path for path in pack.parent.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))]
    return pack.parent if all((path / SCHEMA).is_file() for path in beside) else pack


async def _run(
    groups: Mapping[Path | None, Sequence[PolicyTestFile]], run: _RunOptions, advance: Callable[[], None]
) -> list[CheckResult]:
    results: list[CheckResult] = []
    faults: list[FaultyFiles] = []
    for directory, files in groups.items():
        try:
            async with answerer(run.through, directory, run.engine) as opened:
                results.extend(await run_tests(files, _Counted(opened, advance)))
        except FaultyFiles as error:
            faults.append(error)
    if faults:
        raise PolicyTestError(*(fault for error in faults for fault in error.faults))
    return results


class _Counted:
    """An Answerer that advances a progress line with each answer."""

    def __init__(self, inner: Answerer, advance: Callable[[], None]) -> None:
        self._inner = inner
        self._advance = advance

    async def prepare(self, pack: str, facts: Document) -> None:
        await self._inner.prepare(pack, facts)

    async def decide(self, request: Request) -> Decision:
        self._advance()
        return await self._inner.decide(request)


@contextmanager
def _progress(files: Sequence[PolicyTestFile], *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Show the progress of the run on a terminal; the line disappears at the end."""
    error_console = Console(stderr=True)
    with Progress(console=error_console, transient=True, disable=quiet or not error_console.is_terminal) as progress:
        task = progress.add_task("checks", total=sum(len(file.checks) for file in files))
        yield lambda: progress.advance(task)


def _print(files: Sequence[PolicyTestFile], results: Sequence[CheckResult]) -> None:
    target = console()
    if failed := failures(results):
        _print_failed(target, failed)
        target.print()
    print_table(target, ("pack", "checks", "passed", "failed"), [*_per_pack(files, results)])
    target.print(Text(summary(results), "bold red" if failed else "bold green"))


def _print_failed(target: Console, failed: Sequence[Sequence[str]]) -> None:
    if not target.is_terminal:
        print_table(target, COLUMNS, failed)
        return
    rows = [
        (
            Text.assemble((visible(where), "bold"), f"\n{visible(check)}"),
            about,
            expected,
            styled(got, "red"),
            Text(f"{visible(reason)}\n{visible(rule)}"),
        )
        for where, about, check, expected, got, reason, rule in failed
    ]
    print_table(target, ("check", "about", "expected", "got", "reason and rule"), rows)


def _per_pack(files: Sequence[PolicyTestFile], results: Sequence[CheckResult]) -> Iterator[tuple[str, ...]]:
    packs = {file.file: file.pack for file in files}
    for pack in sorted(set(packs.values())):
        inside = [result.passed for result in results if packs[result.file] == pack]
        yield pack, str(len(inside)), str(sum(inside)), str(len(inside) - sum(inside))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unreadable(str(path), error) from error
