"""Everything about a stream but its content: errors, call reports, flow control, and its end when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import pytest

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from sidegate.errors import StoreUnavailable, TooManyWatchers
from sidegate.server.grpc import listener
from sidegate.telemetry.calls import FinishedCall
from support.decisions.watching import Watch
from support.servers.sidecar import channel, failure, serving
from support.waiting import until

METHOD = "sidegate.authz.v1.HistoryService/WatchChanges"
BYTES = 64 * 1024
NARROW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", BYTES))
"""Options of a client that buffers only a little before it reads."""


class Scripted:
    """Streams what its script yields, and counts what was taken of it."""

    def __init__(self, script: Callable[[], AsyncIterator[str]]) -> None:
        self._script = script
        self.taken = 0
        self.ended = asyncio.Event()

    async def list_changes(self, _message):
        return pb.ListChangesResponse()

    async def watch_changes(self, _message) -> AsyncIterator[pb.WatchChangesResponse]:
        try:
            async for cursor in self._script():
                self.taken += 1
                yield pb.WatchChangesResponse(cursor=cursor)
        finally:
            self.ended.set()


async def silence() -> AsyncIterator[str]:
    yield "first"
    await asyncio.Event().wait()


async def flood() -> AsyncIterator[str]:
    """Yield messages that a narrow client takes in only while it reads them."""
    while True:
        yield "x" * 10 * BYTES


def failing(error: Exception) -> Scripted:
    async def script() -> AsyncIterator[str]:
        yield "first"
        raise error

    return Scripted(script)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (StoreUnavailable("driver text"), grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
        (TooManyWatchers("7 watch here already"), grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS"),
        (ZeroDivisionError("a secret"), grpc.StatusCode.INTERNAL, "INTERNAL"),
        (TimeoutError("a secret"), grpc.StatusCode.INTERNAL, "INTERNAL"),
    ],
)
async def test_an_error_within_a_stream_is_mapped_as_that_of_a_call(error, code, reason):
    """Messages sent before arrive, the status is as for calls, nothing internal leaks, and the end is reported."""
    calls: list[FinishedCall] = []
    async with serving(history=failing(error), on_call=calls.append) as server, channel(server) as wire:
        watch = Watch(wire)
        assert (await watch.next()).cursor == "first"
        status = await failure(watch.end())
    assert (status.code, status.info.reason) == (code, reason)
    assert "secret" not in status.message
    assert "driver" not in status.message
    assert [(call.method, call.code) for call in calls] == [(METHOD, code.name)]


async def test_a_request_that_cant_be_read_is_the_callers_fault():
    """Bytes that are no request are INVALID_ARGUMENT for a stream, too."""
    calls: list[FinishedCall] = []
    async with serving(history=Scripted(silence), on_call=calls.append) as server, channel(server) as wire:
        call = wire.unary_stream(f"/{METHOD}")(b"\xff\xff\xff")
        status = await failure(_first(call))
    assert status.info.reason == "INVALID_INPUT"
    assert [call.code for call in calls] == ["INVALID_ARGUMENT"]


async def _first(call) -> object:
    async for message in call:
        return message
    return None


async def test_a_caller_that_hangs_up_ends_its_stream():
    """The handler ends, its resources are released, and the call is reported as cancelled."""
    calls: list[FinishedCall] = []
    handler = Scripted(silence)
    async with serving(history=handler, on_call=calls.append) as server, channel(server) as wire:
        watch = Watch(wire)
        await watch.next()
        watch.call.cancel()
        await handler.ended.wait()
        await until(lambda: bool(calls))
    assert [call.code for call in calls] == ["CANCELLED"]


async def test_a_stream_is_as_fast_as_its_reader():
    """An endless handler waits while its reader doesn't read, and continues when it reads again."""
    handler = Scripted(flood)
    async with serving(history=handler) as server, _narrow(server) as wire:
        watch = Watch(wire)
        for read in range(1, 6):
            await watch.next()
            await until(lambda: handler.taken > read)  # noqa: B023 - awaited within the iteration
            for _ in range(20):  # in which a handler that does not wait would go on
                await HistoryServiceStub(wire).ListChanges(pb.ListChangesRequest())
            assert handler.taken == read + 1
        watch.call.cancel()


@pytest.mark.parametrize("script", [silence, flood])
async def test_streams_end_with_the_server(script, monkeypatch):
    """A stop ends silent streams and ones whose reader has stopped reading, long before the grace period ends."""
    if script is silence:
        monkeypatch.setattr(listener, "_STATUS_SECONDS", 3600.0)
    calls: list[FinishedCall] = []
    handler = Scripted(script)
    async with serving(history=handler, on_call=calls.append, grace=3600.0) as server, _narrow(server) as wire:
        watch = Watch(wire)
        await watch.next()
        if script is flood:
            await until(lambda: handler.taken == 2)  # the second message waits for its reader
        await server.stop()
        await handler.ended.wait()
        await until(lambda: bool(calls))
        assert [call.code for call in calls] == ["UNAVAILABLE" if script is silence else "CANCELLED"]
        if script is silence:
            status = await failure(watch.end())
            assert (status.code, status.info.reason) == (grpc.StatusCode.UNAVAILABLE, "STOPPING")
            assert status.retry is not None


async def test_an_endless_stream_ends_with_the_server(monkeypatch):
    """A stop finds a stream between two writes, too, and its reader receives the status."""
    monkeypatch.setattr(listener, "_STATUS_SECONDS", 3600.0)
    handler = Scripted(flood)
    async with serving(history=handler, grace=3600.0) as server, channel(server) as wire:
        watch = Watch(wire)
        await watch.next()
        ending = asyncio.create_task(failure(watch.end()))
        await server.stop()
        assert (await ending).info.reason == "STOPPING"


def _narrow(server) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(server.addresses[0], options=NARROW)
