"""`sidegate enforce`: any Casbin model and policy, a JSON line in and a JSON line out for each request."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import click

from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.failures import UNDECIDED
from sidegate.cli.shell.inputs import STDIN, read_text, unreadable
from sidegate.engine import DEFAULT_ENGINE, ENGINES, EnforceContext, compile_program, evaluate, read_rows
from sidegate.errors import EngineError, Fault, FaultyFiles, ModelError, RequestError, RowError
from sidegate.ports.engine import Program

EXAMPLES = (
    (
        "Decide the requests of a file",
        "sidegate enforce --model model.conf --policy policy.csv --requests requests.jsonl",
    ),
    ("Decide what a pipe brings", "sidegate enforce --model model.conf --policy policy.csv --requests -"),
    (
        "Let a role link hold in every domain that its pattern matches",
        "sidegate enforce --model m.conf --policy p.csv --requests r.jsonl --domain-match g=keyMatch",
    ),
)
_EXPECTED = 'expected a JSON list such as ["alice", "data1", "read"], or an object with it as `request`'
_KEYS = frozenset({"request", "context"})


class _Matching(click.ParamType[tuple[str, str]]):
    """`g=keyMatch`: a role section, and the built-in function that matches its names."""

    name = "section=function"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        section, _, function = str(value).partition("=")
        if not (section and function):
            self.fail(f"`{value}` is not right: expected `section=function`, such as `g=keyMatch`", param, ctx)
        return section, function


@click.command(cls=Command, examples=EXAMPLES)
@click.option("--model", required=True, metavar="FILE", shell_complete=complete_file, help="The Casbin model.")
@click.option(
    "--policy", required=True, metavar="FILE", shell_complete=complete_file, help="The Casbin policy, as CSV."
)
@click.option(
    "--requests",
    required=True,
    metavar="FILE",
    shell_complete=complete_file,
    help="The requests, a JSON line each; - is standard input.",
)
@click.option(
    "--engine", type=click.Choice(sorted(ENGINES)), default=DEFAULT_ENGINE, show_default=True, help="The engine."
)
@click.option("--role-match", type=_Matching(), multiple=True, help="Take role names of a section for patterns.")
@click.option("--domain-match", type=_Matching(), multiple=True, help="Take domains of a section for patterns.")
def enforce(*, model: str, policy: str, requests: str, **how: Any) -> None:
    """Decide requests by a Casbin model and policy.

    No server is needed. For each line of the requests one line is printed: {"allow": true, "explain": [...]} with the
    policy row that decided, or {"error": ...} where the request can't be decided. The exit code is 3 if any line could
    not be decided.
    """
    program = _compile(model, policy, how)
    with _opened(requests) as lines:
        undecided = _answer_all(program, lines, flush=requests == STDIN)
    if undecided:
        sys.exit(UNDECIDED)


def _compile(model: str, policy: str, how: Mapping[str, Any]) -> Program:
    rows = read_rows(read_text(policy), policy)
    try:
        return compile_program(
            read_text(model),
            (numbered.row for numbered in rows),
            role_match=dict(how["role_match"]),
            domain_match=dict(how["domain_match"]),
            engine=how["engine"],
        )
    except ModelError as error:
        raise FaultyFiles(Fault(model, error.line, "", str(error))) from error
    except RowError as error:
        line = rows[error.ordinal].line if 0 <= error.ordinal < len(rows) else 0
        raise FaultyFiles(Fault(policy, line, "", str(error))) from error


def _opened(requests: str) -> Any:
    if requests == STDIN:
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(requests).open("rb")
    except OSError as error:
        raise unreadable(requests, error) from error


def _answer_all(program: Program, lines: IO[bytes], *, flush: bool) -> bool:
    """Answer line by line, so that any number of them works; return whether one could not be decided."""
    output = sys.stdout
    undecided = False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        answer = _answer(program, line)
        if "error" in answer:
            undecided = True
            answer["line"] = number
        output.write(json.dumps(answer) + "\n")
        if flush:
            output.flush()
    return undecided


def _answer(program: Program, line: bytes) -> dict[str, Any]:
    try:
        found = evaluate(program, _request(line))
    except EngineError as error:
        return {"error": str(error), "reason": error.reason}
    return {"allow": found.allowed, "explain": list(found.rule or ())}


def _request(line: bytes) -> list[object]:
    try:
        value = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"not JSON: {_EXPECTED}") from error
    context: list[object] = []
    if isinstance(value, dict) and value.keys() <= _KEYS:
        context = _context(value.get("context", {}))
        value = value.get("request")
    if not isinstance(value, list):
        raise RequestError(_EXPECTED)
    return [*context, *value]


def _context(sections: object) -> list[object]:
    """Return the context that names other sections, such as `{"request": "r2", "matcher": "m2"}`."""
    known = EnforceContext.__dataclass_fields__.keys()
    if not isinstance(sections, dict) or not sections.keys() <= known or not _texts(sections.values()):
        raise RequestError('`context` is not right: expected sections such as {"request": "r2", "matcher": "m2"}')
    return [EnforceContext(**sections)] if sections else []


def _texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _refuse(constant: str) -> float:
    raise ValueError(constant)
