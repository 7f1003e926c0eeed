"""The engines by name, and the functions that compile and evaluate programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sidegate.engine.indexed import IndexedEngine
from sidegate.engine.reference import ReferenceEngine
from sidegate.errors import ModelError
from sidegate.model.rules import NO_LINKS, Answer, MatchFunction, RoleLinks, Row
from sidegate.ports.engine import Engine, Program

ENGINES: Final[Mapping[str, Engine]] = MappingProxyType(
    {engine.name: engine for engine in (IndexedEngine(), ReferenceEngine())}
)
DEFAULT_ENGINE: Final = IndexedEngine.name


def compile_program(  # noqa: PLR0913 - all but two are keywords with defaults
    model_text: str,
    rows: Iterable[Row],
    *,
    functions: Mapping[str, MatchFunction] | None = None,
    role_match: Mapping[str, str] | None = None,
    domain_match: Mapping[str, str] | None = None,
    engine: str = DEFAULT_ENGINE,
) -> Program:
    """Compile a Casbin model with its rows, in file order, sections first: `("p", "alice", "data1", "read")`.

    `functions` are registered functions by name; `role_match` and `domain_match` map a role section (`g`)
    to the built-in function (`keyMatch`) by which its names or domains are patterns.

    Raises:
        ModelError: the model is wrong, or there is no such engine.
        RowError: a row is wrong, or there is no policy row.
    """
    if engine not in ENGINES:
        raise ModelError(f"unknown engine `{engine}`; there is {', '.join(ENGINES)}")
    return ENGINES[engine].compile(
        model_text, rows, functions=functions, role_match=role_match, domain_match=domain_match
    )


def evaluate(program: Program, request: Sequence[object], links: RoleLinks = NO_LINKS) -> Answer:
    """Decide one request; `links` are links of `g` that only this evaluation sees.

    Raises:
        RequestError: the request does not fit the model.
        EvaluationError: the matcher or a condition that it reached can't be evaluated.
    """
    return program.evaluate(request, links)
