"""The other end of the wire: a running sidecar as a decider, and as a place to write facts to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from grpc import aio

from sidegate.authz.v1 import authorization_pb2_grpc, facts_pb2, facts_pb2_grpc
from sidegate.client.channel import open_channel
from sidegate.errors import Unavailable
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.server.wire.checks import read_decision, write_check

_SECONDS: Final = 60.0


class RemoteSidecar:
    """A sidecar behind a channel; `decide` makes it a `Decider`."""

    def __init__(self, channel: aio.Channel, *, timeout: float = _SECONDS) -> None:
        self._authorization = authorization_pb2_grpc.AuthorizationServiceStub(channel)
        self._facts = facts_pb2_grpc.FactsServiceStub(channel)
        self._timeout = timeout

    async def decide(self, request: Request) -> Decision:
        """Answer as the sidecar does.

        Raises:
            Unavailable: it answered with an error, or not at all.
        """
        return read_decision(
            await self._answered(self._authorization.Check(write_check(request), timeout=self._timeout))
        )

    async def apply(self, document: str, *, source: str) -> None:
        """Apply a facts document there.

        Raises:
            Unavailable: it was refused, or there was no answer.
        """
        await self._answered(
            self._facts.ApplyFacts(facts_pb2.ApplyFactsRequest(document=document, source=source), timeout=self._timeout)
        )

    async def _answered(self, call: Any) -> Any:
        try:
            return await call
        except aio.AioRpcError as error:
            raise Unavailable(f"{error.code().name}: {error.details()}") from error


@asynccontextmanager
async def remote_sidecar(address: str) -> AsyncIterator[RemoteSidecar]:
    """Open a channel to a sidecar, and close it at the end."""
    async with open_channel(address) as channel:
        yield RemoteSidecar(channel)
