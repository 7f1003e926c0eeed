"""The port of engines: models and rows compiled into programs that decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from sidegate.model.rules import NO_LINKS, Answer, MatchFunction, RoleLinks, Row


class Program(Protocol):
    """A compiled model with its rows. Immutable; any number of threads may evaluate it."""

    def evaluate(self, request: Sequence[object], links: RoleLinks = NO_LINKS) -> Answer:
        """Decide one request, whose values are in the order of the request definition.

        `links` are links of `g` for this evaluation only. Uses memory only, no clock; the initial effect is deny.

        Raises:
            RequestError: the request does not fit the request definition.
            EvaluationError: the matcher or a condition that it reached can't be evaluated.
        """
        ...

    def rows(self) -> Iterable[Row]:
        """Return every row, in any order."""
        ...

    def with_rows(self, added: Iterable[Row] = (), removed: Iterable[Row] = ()) -> Program:
        """Return a program without `removed` and with `added` at its end; this one does not change.

        Raises:
            RowError: an added row is wrong, or a removed row is not there.
        """
        ...


class Engine(Protocol):
    """Compiles Casbin models and rows into programs that decide as a fresh Casbin enforcer does."""

    @property
    def name(self) -> str:
        """The name by which settings choose this engine."""
        ...

    def compile(
        self,
        model_text: str,
        rows: Iterable[Row],
        *,
        functions: Mapping[str, MatchFunction] | None = None,
        role_match: Mapping[str, str] | None = None,
        domain_match: Mapping[str, str] | None = None,
    ) -> Program:
        """Compile; `role_match` and `domain_match` map a role section (`g`) to a built-in matching function.

        Raises:
            ModelError: the model is wrong.
            RowError: a row is wrong.
        """
        ...
