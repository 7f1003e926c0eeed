"""The port of every step of a Check."""

from __future__ import annotations

from typing import Protocol

from sidegate.model.decision import Decision
from sidegate.model.question import Request


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
