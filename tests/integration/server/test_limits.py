"""What one client may take of the transport: each limit is met by a client that goes beyond it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.model.decision import Decision
from sidegate.server.grpc.limits import TransportLimits
from sidegate.telemetry.calls import FinishedCall
from support.servers.sidecar import channel, failure, serving
from support.waiting import until

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
ACKNOWLEDGED = bytes((0, 0, 0, 4, 1, 0, 0, 0, 0))
CHECK = "/sidegate.authz.v1.AuthorizationService/Check"
QUESTION = pb.CheckRequest(
    tenant="acme", subject=pb.Subject(id="tina"), action="register", resource=pb.Resource(type="template", id="*")
)
PATIENCE = 60
"""Seconds after which a limit that does not work fails its test."""


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection that speaks HTTP/2 by hand."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with closing(writer):
        yield reader, writer


async def closed_after(address: str, *frames: bytes) -> bool:
    """Send frames and nothing more, and wait until the server closes the connection."""
    async with connected(address) as (reader, writer):
        writer.write(b"".join(frames))
        async with asyncio.timeout(PATIENCE):
            while await reader.read(65_536):
                pass
    return True


@pytest.mark.parametrize(
    ("limit", "frames"),
    [
        ({"handshake_timeout": 0.2}, ()),
        ({"handshake_timeout": 0.2}, (PREFACE,)),
        ({"handshake_timeout": 0.2}, (PREFACE, SETTINGS)),
        ({"connection_idle": 0.2}, (PREFACE, SETTINGS, ACKNOWLEDGED)),
        ({"connection_age": 0.2, "connection_age_grace": 0.1}, (PREFACE, SETTINGS, ACKNOWLEDGED)),
        ({"keepalive": 1.0, "keepalive_timeout": 0.2}, (PREFACE, SETTINGS, ACKNOWLEDGED)),
    ],
    ids=["silent", "preface", "settings", "idle", "age", "keepalive"],
)
async def test_a_connection_that_does_nothing_is_closed(limit: dict[str, float], frames: tuple[bytes, ...]) -> None:
    """Silence before, in and after the handshake, and a ping without an answer, end the connection."""
    async with serving(limits=TransportLimits(**limit)) as server:
        assert await closed_after(server.addresses[0], *frames)


async def test_a_client_that_pings_all_the_time_is_disconnected() -> None:
    """Pings without a call are few, or end the connection with a reason."""
    ping = bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + bytes(8)
    async with serving() as server, connected(server.addresses[0]) as (reader, writer):
        writer.write(PREFACE + SETTINGS + ACKNOWLEDGED + ping * 20)
        received = b""
        async with asyncio.timeout(PATIENCE):
            while data := await reader.read(65_536):
                received += data
    assert b"too_many_pings" in received


async def test_headers_that_are_too_large_are_refused() -> None:
    """More than 16 KiB of headers is RESOURCE_EXHAUSTED, and the next call is answered."""
    async with serving() as server, channel(server) as wire:
        check = HealthStub(wire).Check
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(health_pb2.HealthCheckRequest(), metadata=(("x-large", "x" * 20_000),), timeout=PATIENCE)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)


async def test_one_connection_too_many_is_closed_and_a_closed_one_makes_room() -> None:
    """Beyond the limit a connection is closed without an answer; each address has a limit of its own."""
    async with serving(limits=TransportLimits(max_connections=2)) as server:
        address = server.addresses[0]
        async with connected(address) as first, connected(address) as second:
            for reader, writer in (first, second):
                writer.write(PREFACE + SETTINGS)
                assert await reader.read(1)
            async with connected(address) as (reader, writer):
                writer.write(PREFACE + SETTINGS)
                assert await answer(reader) == b""
        async with channel(server) as wire:
            await HealthStub(wire).Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE)


async def answer(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1)
    except ConnectionError:
        return b""


async def test_calls_beyond_the_streams_of_a_connection_wait_at_the_client() -> None:
    """A connection with as many calls as it may have carries the next one when one has ended."""
    async with serving(limits=TransportLimits(max_streams=2)) as server, channel(server) as wire:
        watches = [HealthStub(wire).Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        for watch in watches:
            await watch.read()
        third = HealthStub(wire).Check(health_pb2.HealthCheckRequest(), timeout=0.2)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await third
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        watches[0].cancel()
        await HealthStub(wire).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)


async def test_a_call_whose_message_does_not_arrive_is_ended_and_counted() -> None:
    """A client that opens a call and sends nothing is refused after a time; one that sends its message is answered."""
    calls: list[FinishedCall] = []
    async with (
        serving(limits=TransportLimits(message_timeout=1), on_call=calls.append) as server,
        channel(server) as wire,
    ):
        silent = [wire.stream_unary(CHECK)(timeout=PATIENCE) for _ in range(3)]
        await HealthStub(wire).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        failures = [await failure(call) for call in silent]

    assert {(found.code, found.info.reason) for found in failures} == {
        (grpc.StatusCode.DEADLINE_EXCEEDED, "MESSAGE_TIMEOUT")
    }
    assert failures[0].message == "the message of the call did not arrive within 1 s"
    codes = sorted((call.method, call.code) for call in calls)
    assert codes == [("grpc.health.v1.Health/Check", "OK"), *[(CHECK[1:], "DEADLINE_EXCEEDED")] * 3]


async def test_a_call_without_a_message_is_refused() -> None:
    """A client that ends its side without a message gets an error that says so."""

    async def nothing() -> AsyncIterator[bytes]:
        return
        yield

    async with serving() as server, channel(server) as wire:
        found = await failure(wire.stream_unary(CHECK)(nothing(), timeout=PATIENCE))

    assert (found.code, found.message) == (grpc.StatusCode.INVALID_ARGUMENT, "the call has no message: expected one")


async def test_a_client_that_leaves_before_its_message_leaves_nothing_behind() -> None:
    """A call that is cancelled while its message is awaited ends as an error, and the server goes on."""
    calls: list[FinishedCall] = []
    async with serving(on_call=calls.append) as server, channel(server) as wire:
        call = wire.stream_unary(CHECK)(timeout=PATIENCE)
        await HealthStub(wire).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        call.cancel()
        await until(lambda: len(calls) == 2)
        assert (await AuthorizationServiceStub(wire).Check(QUESTION)).decision == pb.DECISION_ALLOW

    (ended,) = [call.code for call in calls if call.method.endswith("/Check") and call.code != "OK"]
    # The library may report the end of the messages before it reports that the call was cancelled.
    assert ended in {"CANCELLED", "INVALID_ARGUMENT"}


async def test_an_answer_may_take_longer_than_the_message() -> None:
    """The limit ends with the message: a decision that takes longer is answered."""
    began, released = asyncio.Event(), asyncio.Event()

    class Slow:
        async def decide(self, _request: object) -> Decision:
            began.set()
            await released.wait()
            return Decision(True, "allowed_by_rule")

    limits = TransportLimits(message_timeout=0.1)
    async with serving(Slow(), limits=limits) as server, channel(server) as wire:
        answered = AuthorizationServiceStub(wire).Check(QUESTION)
        await began.wait()
        silent = wire.stream_unary(CHECK)(timeout=PATIENCE)
        assert (await failure(silent)).info.reason == "MESSAGE_TIMEOUT"
        released.set()
        assert (await answered).decision == pb.DECISION_ALLOW
