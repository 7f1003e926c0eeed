"""The server's listen addresses, health, reflection, and shutdown."""

import asyncio
import json
import socket
import stat
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.errors import StartError
from sidegate.model.decision import Decision
from sidegate.server.grpc import listener
from sidegate.server.grpc.listen_addresses import parse_address
from sidegate.server.grpc.services import SERVICES
from support.servers.ports import reserved_port
from support.servers.sidecar import channel, serving
from support.waiting import until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
QUESTION = pb.CheckRequest(
    tenant="acme", subject=pb.Subject(id="tina"), action="register", resource=pb.Resource(type="template", id="*")
)


async def health(wire: grpc.aio.Channel, service: str) -> int:
    answer = await HealthStub(wire).Check(health_pb2.HealthCheckRequest(service=service))
    return answer.status


async def shows(wire: grpc.aio.Channel, service: str, status: int) -> bool:
    return await health(wire, service) == status


async def refused(*addresses: str) -> str:
    with pytest.raises(StartError) as caught:
        async with serving(addresses=addresses):
            pass
    message = str(caught.value)
    assert "\n" not in message
    return message


async def test_one_server_listens_on_several_addresses(tmp_path: Path) -> None:
    """Two ports and a Unix socket give the same answers, and the server reports the ports that the system chose."""
    path = f"unix:{tmp_path}/s.sock"
    async with serving(addresses=("127.0.0.1:0", "localhost:0", path)) as server:
        assert server.addresses[2] == path
        assert all(not address.endswith(":0") for address in server.addresses)
        for number in range(3):
            async with channel(server, number) as wire:
                answer = await AuthorizationServiceStub(wire).Check(QUESTION)
                assert answer.decision == pb.DECISION_ALLOW


async def test_a_port_in_use_is_refused_in_one_sentence() -> None:
    """A second server on the same port doesn't share it, it reports which address is in use."""
    async with serving() as server:
        address = server.addresses[0]
        message = await refused(address)

    assert message == f"can't listen on `{address}`: another program already does"


async def test_a_port_is_free_again_after_a_stop() -> None:
    """The port of a server that stopped can be bound again immediately."""
    async with serving() as server:
        address = server.addresses[0]
    async with serving(addresses=(address,)) as second, channel(second) as wire:
        assert await health(wire, "") == SERVING


async def test_a_failed_start_leaves_nothing_behind(tmp_path: Path) -> None:
    """When one address is refused, none is listened on."""
    path = tmp_path / "s.sock"
    async with serving() as server:
        await refused(f"unix:{path}", server.addresses[0])

    assert not path.exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("8443", "expected an address such as"),
        (":8443", "expected an address such as"),
        ("127.0.0.1:http", "expected an address such as"),
        ("127.0.0.1:65536", "expected an address such as"),
        ("::1:8443", "expected an address such as"),
        ("192.0.2.1:8443", "this machine does not have that address"),
        ("no.such.host.invalid:8443", "is unknown"),
        ("unix:relative.sock", "expected an absolute path"),
        (f"unix:/{'x' * 120}", "at most 107 bytes"),
        ("unix:/no/such/directory/s.sock", "`/no/such/directory` does not exist"),
    ],
)
async def test_an_address_that_cant_be_is_refused(address: str, said: str) -> None:
    """Each wrong address gets an error that names it and the expected form."""
    message = await refused(address)

    assert f"`{address}`" in message
    assert said in message


async def test_an_address_given_twice_is_refused() -> None:
    """The same address twice is refused: the second could never be bound."""
    assert "each address once" in await refused("127.0.0.1:0", "127.0.0.1:0")


async def test_a_socket_path_may_hold_any_character(tmp_path: Path) -> None:
    """Characters with a meaning in URIs are plain characters in a path."""
    path = tmp_path / "a b%20ü#?.sock"
    async with serving(addresses=(f"unix:{path}",)) as server:
        assert path.is_socket()
        async with grpc.aio.insecure_channel(parse_address(server.addresses[0]).target) as wire:
            assert await health(wire, "") == SERVING


async def test_the_socket_has_its_mode_and_goes_with_the_server(tmp_path: Path) -> None:
    """The socket file has the mode of the settings while the server runs, and is removed afterwards."""
    path = tmp_path / "s.sock"
    async with serving(addresses=(f"unix:{path}",), socket_mode=0o600):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    assert not path.exists()


async def test_a_stop_leaves_the_socket_of_another_server(tmp_path: Path) -> None:
    """A socket that took the path meanwhile stays when the first server stops, and is served on."""
    path = tmp_path / "s.sock"
    async with serving(addresses=(f"unix:{path}",)) as first:
        path.unlink()
        async with serving(addresses=(f"unix:{path}",)) as second:
            await first.stop()
            async with channel(second) as wire:
                assert await health(wire, "") == SERVING


async def test_a_live_servers_socket_is_not_taken(tmp_path: Path) -> None:
    """A second server on a live socket is refused, and the first goes on answering there."""
    address = f"unix:{tmp_path}/s.sock"
    async with serving(addresses=(address,)) as server:
        message = await refused(address)
        async with channel(server) as wire:
            assert await health(wire, "") == SERVING

    assert message == f"can't listen on `{address}`: another server already does"


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    """A socket that a dead server left behind doesn't stop the next one."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(addresses=(f"unix:{path}",)) as server, channel(server) as wire:
        assert await health(wire, "") == SERVING


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A path with an ordinary file is refused, and the file stays."""
    path = tmp_path / "notes.txt"
    path.write_text("mine")

    assert "not a socket" in await refused(f"unix:{path}")
    assert path.read_text() == "mine"


async def test_health_follows_readiness_and_liveness_does_not() -> None:
    """The server, its services and `readiness` follow the readiness callable; `liveness` stays SERVING."""
    ready = True
    async with serving(ready=lambda: ready) as server, channel(server) as wire:
        assert {name: await health(wire, name) for name in ("", "readiness", "liveness", *SERVICES)} == dict.fromkeys(
            ("", "readiness", "liveness", *SERVICES), SERVING
        )
        ready = False
        await until(lambda: shows(wire, "readiness", NOT_SERVING))
        assert {await health(wire, name) for name in ("", *SERVICES)} == {NOT_SERVING}
        assert await health(wire, "liveness") == SERVING
        ready = True
        await until(lambda: shows(wire, "", SERVING))


async def test_a_readiness_that_fails_is_not_ready() -> None:
    """A callable that raises means NOT_SERVING, and the server still starts."""

    def broken() -> bool:
        raise RuntimeError

    async with serving(ready=broken) as server, channel(server) as wire:
        assert await health(wire, "") == NOT_SERVING
        assert await health(wire, "liveness") == SERVING


async def test_an_unknown_health_service_is_not_found() -> None:
    """A probe with a mistyped service name gets NOT_FOUND, and is reported with that code."""
    calls = []
    async with serving(on_call=calls.append) as server, channel(server) as wire:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(wire, "sidegate.authz.v1.NoService")

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert [(call.method, call.code) for call in calls] == [("grpc.health.v1.Health/Check", "NOT_FOUND")]


async def test_a_call_under_way_ends_while_the_server_drains() -> None:
    """A stop says NOT_SERVING first, lets the call under way answer, and refuses a new connection."""
    port, hurried = reserved_port(), asyncio.Event()
    began, released = asyncio.Event(), asyncio.Event()

    class Slow:
        async def decide(self, _request) -> Decision:
            began.set()
            await released.wait()
            return Decision(True, "allowed_by_rule")

    async with (
        serving(Slow(), addresses=(f"127.0.0.1:{port}",), lame_duck=3600.0, grace=3600.0) as server,
        channel(server) as wire,
    ):
        call = AuthorizationServiceStub(wire).Check(QUESTION)
        await began.wait()
        watch = HealthStub(wire).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        stopping = asyncio.create_task(server.stop(hurried))
        assert (await watch.read()).status == NOT_SERVING
        assert await health(wire, "liveness") == SERVING
        hurried.set()
        released.set()
        answer = await call
        await stopping
        with pytest.raises(grpc.aio.AioRpcError):
            await watch.read()

    assert answer.decision == pb.DECISION_ALLOW
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))


async def test_a_call_that_outlives_the_grace_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop doesn't wait forever: after the grace period the call ends with UNAVAILABLE."""
    monkeypatch.setattr(listener, "_STATUS_SECONDS", 3600.0)
    began = asyncio.Event()

    class Stuck:
        async def decide(self, _request) -> Decision:
            began.set()
            await asyncio.Event().wait()
            raise AssertionError

    async with serving(Stuck(), grace=0.1) as server, channel(server) as wire:
        call = AuthorizationServiceStub(wire).Check(QUESTION)
        await began.wait()
        await server.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def buf_curl(address: str, method: str, data: str, *more: str) -> tuple[int, str, str]:
    buf = Path(sys.executable).with_name("buf")
    process = await asyncio.create_subprocess_exec(
        buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *more, "--data", data,
        f"http://{address}/{method}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_buf_curl_finds_the_contract_by_reflection() -> None:
    """A stock client without our protos gets a decision, and the details of an error."""
    method = "sidegate.authz.v1.AuthorizationService/Check"
    good = {
        "tenant": "acme",
        "subject": {"id": "tina"},
        "action": "register",
        "resource": {"type": "template", "id": "*"},
    }
    async with serving() as server:
        code, out, err = await buf_curl(server.addresses[0], method, json.dumps(good))
        wrong_code, _, wrong = await buf_curl(server.addresses[0], method, json.dumps(good | {"action": ""}))

    assert code == 0, err
    assert json.loads(out)["decision"] == "DECISION_ALLOW"
    assert json.loads(out)["rule"] == "EF-05"
    assert wrong_code != 0
    assert "invalid_argument" in wrong
    assert "google.rpc.BadRequest" in wrong


async def test_buf_curl_works_over_the_socket(tmp_path: Path) -> None:
    """The same client gets the health of the server through the Unix socket."""
    path = tmp_path / "s.sock"
    async with serving(addresses=(f"unix:{path}",)):
        code, out, err = await buf_curl("localhost", "grpc.health.v1.Health/Check", "{}", "--unix-socket", str(path))

    assert code == 0, err
    assert json.loads(out) == {"status": "SERVING"}
