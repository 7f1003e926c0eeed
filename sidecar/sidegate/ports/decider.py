"""The port of every step of a Check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from sidegate.model.decision import Decision
from sidegate.model.question import Request

Outcome: TypeAlias = Decision | Exception
"""The decision about one of several requests, or why it could not be decided."""


class Decider(Protocol):
    """One step on the path of a Check; each step wraps the next, and `bootstrap` defines their order."""

    async def decide(self, request: Request) -> Decision:
        """Answer a request.

        Raises:
            InvalidInput: the request is wrong.
            Unavailable: could not decide now.
            EngineError: a rule could not be evaluated; the caller treats it as a deny.
        """
        ...


class BatchDecider(Protocol):
    """Answers several requests, those of one tenant from one revision of its facts."""

    async def decide(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Answer requests, in their order; the error of one is its outcome."""
        ...
