"""A server process that is stopped under load answers every call or ends it with UNAVAILABLE, which clients retry."""

import asyncio
import os
import signal
from collections import Counter

import grpc
import pytest

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.history_pb2 import WatchChangesRequest
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from support.servers.cli import sidecar

CHANNELS, CALLERS_EACH, WATCHERS_EACH = 8, 8, 2
NO_RETRIES = (("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1))
QUESTION = pb.CheckRequest(
    tenant="demo", subject=pb.Subject(id="uma"), action="view", resource=pb.Resource(type="document", id="contract")
)


async def asking(wire: grpc.aio.Channel, answered: asyncio.Semaphore) -> grpc.StatusCode:
    """Ask without a pause until a call fails, and return its code."""
    stub = AuthorizationServiceStub(wire)
    try:
        while True:
            await stub.Check(QUESTION)
            answered.release()
    except grpc.aio.AioRpcError as error:
        return error.code()


async def watching(wire: grpc.aio.Channel, answered: asyncio.Semaphore) -> grpc.StatusCode:
    """Read changes until the stream ends, and return its code."""
    call = HistoryServiceStub(wire).WatchChanges(WatchChangesRequest())
    await call.initial_metadata()
    answered.release()
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return await call.code()


async def stopped_under_load(address: str, pid: int) -> Counter[grpc.StatusCode]:
    """Send SIGTERM once every stream is open and many calls were answered; return how each caller ended."""
    answered = asyncio.Semaphore(0)
    wires = [grpc.aio.insecure_channel(address, options=NO_RETRIES) for _ in range(CHANNELS)]
    watchers = [asyncio.ensure_future(watching(wire, answered)) for wire in wires for _ in range(WATCHERS_EACH)]
    for _ in watchers:
        await answered.acquire()
    callers = [asyncio.ensure_future(asking(wire, answered)) for wire in wires for _ in range(CALLERS_EACH)]
    for _ in range(10 * len(callers)):
        await answered.acquire()
    os.kill(pid, signal.SIGTERM)
    codes = await asyncio.gather(*callers, *watchers)
    for wire in wires:
        await wire.close()
    return Counter(codes)


@pytest.mark.parametrize("flags", [(), ("--lame-duck", "0.2"), ("--drain", "0")])
async def test_no_call_is_lost_at_a_stop(tmp_path, flags):
    """64 callers that never pause and 16 watchers all end with UNAVAILABLE, and the process with code 0."""
    with sidecar(tmp_path, "--demo", *flags) as running:
        codes = await stopped_under_load(running.address, running.process.pid)
        assert running.process.wait() == 0

    assert codes == {grpc.StatusCode.UNAVAILABLE: CHANNELS * (CALLERS_EACH + WATCHERS_EACH)}
