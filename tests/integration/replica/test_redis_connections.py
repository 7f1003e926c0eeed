"""Clients of Redis against real servers: over TLS, as an account with few rights, on a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidegate.model.store_address import redis_address
from sidegate_adapters.redis.connect import FAILURES, Certificates, Client, connect, disconnect
from support.servers.certificates import issue
from support.servers.faulty_link import faulty_link
from support.servers.valkey import valkey_server

FEW_RIGHTS = "user sidegate on >hush resetchannels &sidegate:* ~sidegate:* -@all +getrange +set +publish +subscribe"


@asynccontextmanager
async def connected(address: str, certificates: Certificates | None = None) -> AsyncIterator[Client]:
    client = connect(redis_address(address), certificates=certificates, patience=1)
    try:
        yield client
    finally:
        await disconnect(client)


async def remembers(client: Client) -> bool:
    await client.set("sidegate:x", b"1")
    return await client.execute_command("GETRANGE", "sidegate:x", 0, 9) == b"1"


async def test_an_account_with_few_rights_is_enough():
    """The handshake asks for nothing that an ACL of five commands does not give, and nobody else gets in."""
    with valkey_server("user default off", FEW_RIGHTS) as server:
        async with connected(server.address.replace("//", "//sidegate:hush@")) as client:
            assert await remembers(client)
            with pytest.raises(FAILURES):
                await client.set("another:x", b"1")
        for stranger in (server.address, server.address.replace("//", "//sidegate:guess@")):
            async with connected(stranger) as client:
                with pytest.raises(FAILURES):
                    await client.get("sidegate:x")


async def test_a_socket_and_a_numbered_database_are_used(tmp_path):
    """A path is a Unix socket; what is written to one database is not seen in another."""
    with valkey_server(f"unixsocket {tmp_path}/s") as server:
        async with connected(f"unix://{tmp_path}/s?db=3") as client:
            assert await remembers(client)
        assert server.execute("GET", "sidegate:x") is None
        assert server.execute("GET", "sidegate:x", db=3) == b"1"


async def test_tls_is_verified_on_both_sides(tmp_path):
    """The server must be whom the authority says, and sees the client's certificate; nothing falls back to plain."""
    ours, strange = issue(tmp_path), issue(tmp_path, "127.0.0.2")
    shown = Certificates(ours.ca, ours.certificate, ours.key)
    with valkey_server() as server:
        async with (
            faulty_link(("127.0.0.1", server.port), tls=ours.server) as link,
            faulty_link(("127.0.0.1", server.port), tls=strange.server) as impostor,
        ):
            address = f"rediss://127.0.0.1:{link.address[1]}"
            async with connected(address, shown) as client:
                assert await remembers(client)
            refused = (
                (address, Certificates(ours.ca)),  # shows no certificate
                (address, None),  # the system's authorities know nothing of ours
                (address.replace("127.0.0.1", "localhost"), shown),  # another name than certified
                (f"rediss://127.0.0.1:{impostor.address[1]}", shown),
                (f"rediss://127.0.0.1:{server.port}", shown),  # speaks no TLS
            )
            for elsewhere, certificates in refused:
                async with connected(elsewhere, certificates) as client:
                    with pytest.raises(FAILURES):
                        await client.get("sidegate:x")
