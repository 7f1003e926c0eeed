"""A real process that is stopped while a call waits for the database, and one whose lame-duck time is long."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from sidegate.authz.v1 import authorization_pb2 as authz
from sidegate.authz.v1 import role_pb2
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.role_pb2_grpc import GroupServiceStub
from support.servers.cli import Sidecar, sidecar
from support.servers.companies import refused
from support.waiting import until

QUESTION = authz.CheckRequest(
    tenant="demo",
    subject=authz.Subject(id="uma"),
    action="view",
    resource=authz.Resource(type="document", id="contract"),
)
GROUP = role_pb2.CreateGroupRequest(parent="tenants/demo", group_id="slow")
_NO_WRITES = "BEGIN; LOCK TABLE changes IN SHARE MODE"
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'changes'::regclass"


@dataclass(frozen=True)
class Stalled:
    """A sidecar, a channel to it, a write that waits for a lock, and the connection that holds the lock."""

    running: Sidecar
    wire: grpc.aio.Channel
    call: asyncio.Future
    holder: asyncpg.Connection


@asynccontextmanager
async def stalled_write(postgres, tmp_path, *flags: str) -> AsyncIterator[Stalled]:
    """Start a sidecar and a write of it that waits for a lock."""
    async with postgres.database() as database:
        with sidecar(tmp_path, "--demo", "--database", database, *flags) as running:
            async with grpc.aio.insecure_channel(running.address) as wire:
                holder, watcher = await asyncpg.connect(database), await asyncpg.connect(database)
                try:
                    await holder.execute(_NO_WRITES)
                    call = asyncio.ensure_future(GroupServiceStub(wire).CreateGroup(GROUP))

                    async def waits() -> bool:
                        return await watcher.fetchval(_WAITING) > 0

                    await until(waits)
                    yield Stalled(running, wire, call, holder)
                finally:
                    await holder.close()
                    await watcher.close()


async def check_code(wire: grpc.aio.Channel) -> grpc.StatusCode:
    """Ask whether uma may view the contract; return the code of the answer."""
    try:
        await AuthorizationServiceStub(wire).Check(QUESTION)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def exit_code(running: Sidecar) -> int:
    return await asyncio.to_thread(running.process.wait)


async def test_an_accepted_call_is_answered_while_the_process_stops(postgres, tmp_path):
    """A write that waits when SIGTERM comes is answered, while new calls are refused; then the process exits."""
    async with stalled_write(postgres, tmp_path, "--drain", "3600") as stalled:
        stalled.running.process.send_signal(signal.SIGTERM)

        async def refuses() -> bool:
            return await check_code(stalled.wire) is grpc.StatusCode.UNAVAILABLE

        await until(refuses)
        assert not stalled.call.done()
        await stalled.holder.execute("ROLLBACK")
        assert (await stalled.call).group.name == "tenants/demo/groups/slow"
        assert await exit_code(stalled.running) == 0


async def test_a_call_that_outlasts_the_drain_ends_as_unavailable(postgres, tmp_path):
    """It ends while the database still does not answer, and so does the process once the time to close is over."""
    async with stalled_write(postgres, tmp_path, "--drain", "0.1", "--closing", "0.5") as stalled:
        stalled.running.process.send_signal(signal.SIGTERM)
        assert (await refused(stalled.call, "STOPPING")).code is grpc.StatusCode.UNAVAILABLE
        assert await exit_code(stalled.running) == 0


async def test_a_second_signal_ends_the_lame_duck_time(tmp_path):
    """After SIGTERM health reports NOT_SERVING and calls are answered; Ctrl-C then stops the process early."""
    with sidecar(tmp_path, "--demo", "--lame-duck", "3600") as running:
        async with grpc.aio.insecure_channel(running.address) as wire:
            running.process.send_signal(signal.SIGTERM)

            async def not_serving() -> bool:
                answer = await HealthStub(wire).Check(health_pb2.HealthCheckRequest())
                return answer.status == health_pb2.HealthCheckResponse.NOT_SERVING

            await until(not_serving)
            assert await check_code(wire) is grpc.StatusCode.OK
        running.process.send_signal(signal.SIGINT)
        assert await exit_code(running) == 0
