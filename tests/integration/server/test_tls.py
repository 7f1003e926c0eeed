"""TLS on the gRPC addresses: who gets in, and what a changed file does."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from sidegate.client.channel import ClientTls, open_channel
from sidegate.errors import FaultyFiles, StartError
from sidegate.server.grpc.certificates import RotatingCertificates
from sidegate.server.grpc.peer import Peer, peer_of
from support.servers.authority import Authority, client_files, server_files
from support.servers.sidecar import serving

SERVING = health_pb2.HealthCheckResponse.SERVING
SPIFFE = "spiffe://example.org/ns/shop/sa/orders"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def health(channel: grpc.aio.Channel) -> int:
    return int((await HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)).status)


async def answers(address: str, tls: ClientTls | None) -> bool:
    """Return whether a new connection is served; one that is not must fail as a connection."""
    async with open_channel(address, tls) as channel:
        try:
            return await health(channel) == SERVING
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False


async def test_a_server_with_tls_speaks_nothing_else(authority: Authority, other: Authority, tmp_path: Path) -> None:
    """A client that trusts the authority is served; in clear, with another authority or name it is not."""
    path = f"unix:{tmp_path}/s"
    async with serving(addresses=("127.0.0.1:0", path), tls=server_files(authority.server())) as server:
        address = server.addresses[0]
        assert await answers(address, client_files(authority))
        assert not await answers(address, None)
        assert not await answers(address, client_files(other))
        assert await answers(path, None)
        assert await answers(path, client_files(other))

    async with serving(tls=server_files(authority.server("127.0.0.2"))) as server:
        assert not await answers(server.addresses[0], client_files(authority))


async def test_mutual_tls_serves_clients_of_its_authority_only(authority: Authority, other: Authority) -> None:
    """A client without a certificate, or with one of another authority, does not get a connection."""
    async with serving(tls=server_files(authority.server(), authority.ca)) as server:
        address = server.addresses[0]
        assert await answers(address, client_files(authority, authority.client()))
        assert not await answers(address, client_files(authority))
        assert not await answers(address, client_files(authority, other.client()))


async def test_a_changed_certificate_is_shown_to_new_connections_on_every_address(
    authority: Authority, other: Authority
) -> None:
    """Each address shows the new certificate; a connection that is open stays as it is."""
    shown = authority.server()
    async with (
        serving(addresses=("127.0.0.1:0", "localhost:0"), tls=server_files(shown)) as server,
        open_channel(server.addresses[0], client_files(authority)) as before,
    ):
        assert await health(before) == SERVING
        other.server().copy_to(shown)
        for address in server.addresses:
            assert not await answers(address, client_files(authority))
            assert await answers(address, client_files(other))
        assert await health(before) == SERVING


async def test_a_removed_authority_is_refused_for_new_connections(authority: Authority, other: Authority) -> None:
    """After the file of the clients' authorities changed, only certificates of the new ones are accepted."""
    client_ca = shutil.copy(authority.ca, authority.directory / "clients.pem")
    old, new = authority.client(), other.client()
    async with serving(tls=server_files(authority.server(), client_ca)) as server:
        address = server.addresses[0]
        assert await answers(address, client_files(authority, old))
        client_ca.write_bytes(authority.ca.read_bytes() + other.ca.read_bytes())
        assert await answers(address, client_files(authority, old))
        assert await answers(address, client_files(authority, new))
        client_ca.write_bytes(other.ca.read_bytes())
        assert not await answers(address, client_files(authority, old))
        assert await answers(address, client_files(authority, new))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_of_a_removed_authority_is_not_resumed(
    authority: Authority, other: Authority, version: ssl.TLSVersion
) -> None:
    """A ticket from before the change does not spare a client the check of its certificate."""
    client_ca = shutil.copy(authority.ca, authority.directory / "clients.pem")
    shown = authority.client()
    context = ssl.create_default_context(cafile=authority.ca)
    context.load_cert_chain(shown.certificate, shown.key)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    async with serving(tls=server_files(authority.server(), client_ca)) as server:
        port = int(server.addresses[0].rpartition(":")[2])

        def served(session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
            with (
                socket.create_connection(("127.0.0.1", port), 30) as plain,
                suppress(ssl.SSLError, ConnectionError),
                context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as secured,
            ):
                # The first byte is sent when the server has accepted the certificate.
                return secured.recv(1) != b"", secured.session
            return False, None

        accepted, session = await asyncio.to_thread(served, None)
        assert accepted
        assert session is not None
        client_ca.write_bytes(other.ca.read_bytes())
        assert (await asyncio.to_thread(served, session))[0] is False


async def test_half_of_a_new_pair_changes_nothing_until_the_other_half_is_there(
    authority: Authority, other: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate beside the key of another one is logged once, and the old pair is shown meanwhile."""
    caplog.set_level(logging.INFO, logger="sidegate")
    shown, renewed = authority.server(), other.server()
    async with serving(tls=server_files(shown)) as server:
        address = server.addresses[0]
        shutil.copy(renewed.certificate, shown.certificate)
        assert await answers(address, client_files(authority))
        assert await answers(address, client_files(authority))
        shutil.copy(renewed.key, shown.key)
        assert await answers(address, client_files(other))
        shown.key.unlink()
        assert await answers(address, client_files(other))
        assert await answers(address, client_files(other))

    events = [record.msg["event"] for record in caplog.records if "certificate" in record.msg["event"]]
    assert events == ["certificate reload rejected", "certificates reloaded", "certificate reload rejected"]
    reasons = [record.msg["reason"] for record in caplog.records if "rejected" in record.msg["event"]]
    assert f"tls_certificate `{shown.certificate}` and tls_key `{shown.key}` can't be used together" in reasons[0]
    assert f"can't read `{shown.key}`" in reasons[1]


@pytest.mark.parametrize("damage", ["certificate", "key", "client_ca", "encrypted"])
async def test_files_that_cant_be_used_stop_the_start(authority: Authority, tmp_path: Path, damage: str) -> None:
    """The error names setting and file, and nothing is listened on."""
    issued, path = authority.server(), tmp_path / "s"
    files = server_files(issued, shutil.copy(authority.ca, tmp_path / "ca.pem"))
    damaged = files.key if damage == "encrypted" else getattr(files, damage)
    damaged.write_text(ENCRYPTED if damage == "encrypted" else "not a PEM file")
    with pytest.raises(StartError) as caught:
        async with serving(addresses=(f"unix:{path}", "127.0.0.1:0"), tls=files):
            pass

    setting = {"encrypted": "tls_key"}.get(damage, f"tls_{damage}")
    assert f"{setting} `{damaged}`" in str(caught.value)
    assert "expected" in str(caught.value)
    assert not path.exists()


async def test_the_names_in_a_clients_certificate_are_known_by_their_kind(authority: Authority) -> None:
    """URI and DNS names are distinguished; in TLS without client certificates and in clear there are none."""
    seen: list[Peer] = []

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc] # the library is untyped
        def service(self, _details: object) -> object:
            async def answer(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
                seen.append(peer_of(context))
                return b""

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    mutual = RotatingCertificates(server_files(authority.server(), authority.ca)).credentials()
    one_sided = RotatingCertificates(server_files(authority.server())).credentials()
    unix = f"{authority.directory}/peer.sock"
    ports = [server.add_secure_port("127.0.0.1:0", credentials) for credentials in (mutual, one_sided)]
    ports.append(server.add_insecure_port("127.0.0.1:0"))
    server.add_insecure_port(f"unix:{unix}")
    await server.start()
    shown = client_files(authority, authority.client(dns="orders.shop.svc", uri=SPIFFE))
    targets = zip([*(f"127.0.0.1:{port}" for port in ports), f"unix:{unix}"], (shown, shown, None, None), strict=True)
    for target, tls in targets:
        async with open_channel(target, tls) as channel:
            await channel.unary_unary("/any/Call")(b"", timeout=30)
    await server.stop(None)

    assert seen == [Peer((SPIFFE,), ("orders.shop.svc",)), Peer(), Peer(), Peer(unix_socket=True)]


@pytest.mark.parametrize("damage", ["ca", "certificate", "key"])
def test_a_clients_file_that_cant_be_used_is_named(authority: Authority, damage: str) -> None:
    """The error names the file before anything is connected."""
    tls = client_files(authority, authority.client())
    getattr(tls, damage).write_text("not a PEM file")
    with pytest.raises(FaultyFiles, match=str(getattr(tls, damage))):
        open_channel("127.0.0.1:1", tls)


ENCRYPTED = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgd
-----END ENCRYPTED PRIVATE KEY-----
"""
