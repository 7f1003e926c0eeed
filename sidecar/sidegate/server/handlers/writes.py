"""The one path of every write handler: the use case runs, or the stored response of a repeated request is returned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from sidegate.membership.command.call import Call
from sidegate.membership.command.run import Replayed, Written
from sidegate.server.wire.tokens.revision import RevisionTokens

T = TypeVar("T")
M = TypeVar("M", bound=Message)


class Writes:
    """Runs the use cases of write RPCs and makes their responses."""

    def __init__(self, tokens: RevisionTokens) -> None:
        self._tokens = tokens

    async def run(
        self,
        tenant: str,
        call: Call,
        *,
        kind: type[M],
        use_case: Callable[[Call], Awaitable[Written[T]]],
        respond: Callable[[T], M],
    ) -> M:
        """Return the response to a write, with the token of the revision; a repeated request gets its first response.

        Raises:
            SidegateError: the use case refuses it; nothing was written.
        """
        encoder = _Encoder(respond)
        written = await use_case(replace(call, encoder=encoder))
        response: Any = kind.FromString(written.response) if isinstance(written, Replayed) else encoder.response
        response.revision = self._tokens.encode(tenant, written.revision)
        answer: M = response
        return answer


class _Encoder(Generic[T, M]):
    """Makes a response once, as tokens in it depend on the time, and encodes it before the write, without a revision.

    `response` is that of the last attempt.
    """

    def __init__(self, respond: Callable[[T], M]) -> None:
        self._respond = respond
        self.response: M | None = None

    def encode(self, value: T) -> bytes:
        """Return the response as it is stored with the request's ID."""
        self.response = self._respond(value)
        raw: bytes = self.response.SerializeToString(deterministic=True)
        return raw
