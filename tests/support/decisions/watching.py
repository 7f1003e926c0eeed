"""A stream of WatchChanges, and what it has sent so far."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub


class Watch:
    """Reads a stream; `changes` are all that it has sent, `cursor` is the newest."""

    def __init__(self, channel: grpc.aio.Channel, *, heartbeat: float = 0, **request: Any) -> None:
        message = pb.WatchChangesRequest(**request)
        if heartbeat:
            message.heartbeat.CopyFrom(Duration(nanos=round(heartbeat * 1e9) % 10**9, seconds=int(heartbeat)))
        self.call = HistoryServiceStub(channel).WatchChanges(message)
        self.changes: list[pb.RecordedChange] = []
        self.cursor = ""

    async def next(self) -> pb.WatchChangesResponse:
        """Return the next response."""
        response = await self.call.read()
        if response is grpc.aio.EOF:
            raise await _ending(self.call)
        self.changes += response.changes
        self.cursor = response.cursor
        return response

    async def until_caught_up(self) -> Watch:
        """Read until all changes that the sidecar has seen were sent."""
        while not (await self.next()).caught_up:
            pass
        return self

    async def until(self, count: int) -> list[pb.RecordedChange]:
        """Read until this number of changes was sent, and return them all."""
        while len(self.changes) < count:
            await self.next()
        return self.changes

    async def end(self) -> None:
        """Read on until the stream ends, and raise the error that it ends with."""
        while True:
            await self.next()


@asynccontextmanager
async def watching(channel: grpc.aio.Channel, **request: Any) -> AsyncIterator[Watch]:
    """Open a stream, wait until it has caught up, and cancel it at the end."""
    watch = Watch(channel, **request)
    try:
        yield await watch.until_caught_up()
    finally:
        watch.call.cancel()


async def listed(channel: grpc.aio.Channel, parent: str, **query: Any) -> list[pb.RecordedChange]:
    """Return what ListChanges returns, the oldest first."""
    found: list[pb.RecordedChange] = []
    request = pb.ListChangesRequest(parent=parent, oldest_first=True, page_size=1000, **query)
    while True:
        page = await HistoryServiceStub(channel).ListChanges(request)
        found += page.changes
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def _ending(call: Any) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        await call.code(), await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
    )
