"""The engines by name, and the functions that compile and evaluate programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sidegate.engine.indexed import IndexedEngine
from sidegate.errors import ModelError
from sidegate.model.rules import NO_LINKS, Answer, MatchFunction, RoleLinks, Row
from sidegate.ports.engine import Engine, Program

DEFAULT_ENGINE: Final = IndexedEngine.name
_REFERENCE: Final = "reference"


class _Engines(Mapping[str, Engine]):
    """The engines by name; pycasbin is imported when `reference` is first used."""

    def __init__(self) -> None:
        self._made: dict[str, Engine] = {DEFAULT_ENGINE: IndexedEngine()}

    def __getitem__(self, name: str) -> Engine:
        if name == _REFERENCE and name not in self._made:
            from sidegate.engine.reference import ReferenceEngine  # noqa: PLC0415 - it takes memory and time

            self._made[name] = ReferenceEngine()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter((DEFAULT_ENGINE, _REFERENCE))

    def __len__(self) -> int:
        return 2


ENGINES: Final[Mapping[str, Engine]] = _Engines()


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
