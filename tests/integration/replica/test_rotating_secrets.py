"""Passwords of PostgreSQL and Redis that change while a sidecar runs: no restart is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidegate.bootstrap import serving
from sidegate.bootstrap.storage.rotating_address import current_address
from sidegate.config.settings import GivenSettings
from sidegate.model.store_address import redis_address
from sidegate_adapters.redis.connect import FAILURES, Client, connect, disconnect
from support.servers.companies import Company, create
from support.servers.postgres import PostgresServer
from support.servers.valkey import ValkeyServer, valkey_server
from support.waiting import until

_NUMBERS = count(1)


@asynccontextmanager
async def company(settings: GivenSettings) -> AsyncIterator[Company]:
    """Run a sidecar, and make a company on it."""
    async with serving(settings) as running, grpc.aio.insecure_channel(running.addresses[0]) as channel:
        yield await create(channel)


async def invites(found: Company) -> bool:
    """Return whether a member can be invited, which needs the database."""
    try:
        await found.invite(f"someone{next(_NUMBERS)}@acme.example")
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def refuses(found: Company) -> bool:
    return not await invites(found)


@pytest.mark.parametrize("whole", [True, False], ids=["address", "password"])
async def test_a_new_password_of_postgresql_is_used_without_a_restart(
    postgres: PostgresServer, tmp_path: Path, *, whole: bool
) -> None:
    """The password changes and all connections break; once the file has the new one, writes and hints go on."""
    number = next(_NUMBERS)
    role, name = f"rotating{number}", f"rotating{number}"
    await postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'old secret'")
    await postgres.execute(f"CREATE DATABASE {name} OWNER {role}")
    file = tmp_path / "secret"

    def write(password: str) -> None:
        escaped = password.replace(" ", "%20")
        file.write_text(f"{postgres.address(name, user=f'{role}:{escaped}')}\n" if whole else f"{password}\n")

    write("old secret")
    named: dict[str, Any] = (
        {"database_file": file}
        if whole
        else {"database": postgres.address(name, user=role), "database_password_file": file}
    )
    given = {"listen": ("127.0.0.1:0",), "drain": 0, "poll_interval": 0.1, **named}
    async with company(GivenSettings.model_validate(given)) as found:
        assert await invites(found)
        await postgres.execute(f"ALTER ROLE {role} PASSWORD 'new secret'")
        await postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
        await until(lambda: refuses(found))
        write("new secret")
        await until(lambda: invites(found))


async def remembers(client: Client) -> bool:
    try:
        return bool(await client.set("sidegate:x", b"1"))
    except FAILURES:
        return False


def redis_settings(server: ValkeyServer, file: Path, *, whole: bool, user: str = "") -> GivenSettings:
    address = server.address.replace("//", f"//{user}@") if user else server.address
    named = {"redis_file": file} if whole else {"redis": address, "redis_password_file": file}
    return GivenSettings.model_validate(named)


@pytest.mark.parametrize("user", ["", "sidegate"])
@pytest.mark.parametrize("whole", [True, False], ids=["address", "password"])
async def test_a_new_password_of_redis_is_used_without_a_restart(tmp_path: Path, user: str, *, whole: bool) -> None:
    """The password changes and all connections break; once the file has the new one, commands go on."""
    file, account = tmp_path / "secret", user or "default"
    with valkey_server(f"user {account} on >old resetchannels &* ~* +@all", "user admin on >admin +@all") as server:

        def write(password: str) -> None:
            file.write_text(server.address.replace("//", f"//{user}:{password}@") if whole else password)

        write("old")
        settings = redis_settings(server, file, whole=whole, user=user)
        address = current_address(settings, "redis")
        assert address is not None
        client = connect(lambda: redis_address(address()), patience=1)
        admin = {"username": "admin", "password": "admin"}
        try:
            assert await remembers(client)
            server.execute("ACL", "SETUSER", account, "resetpass", ">new", **admin)
            server.execute("CLIENT", "KILL", "USER", account, **admin)
            assert not await remembers(client)
            write("new")
            assert await remembers(client)
        finally:
            await disconnect(client)


def test_a_file_that_cant_be_used_leaves_the_last_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is deleted, empty or names another server is logged once each, without its secret."""
    file = tmp_path / "secret"
    file.write_text("redis://sidegate:hush@host/1\n")
    current = current_address(GivenSettings.model_validate({"redis_file": file}), "redis")
    assert current is not None
    wrong = ("", "redis://sidegate:hush@other/1", "redis://sidegate:hush@host/2", "redis://hush@hush@host/1")
    for content in wrong:
        file.write_text(content)
        assert current() == "redis://sidegate:hush@host/1"
    file.unlink()
    assert (current(), current()) == ("redis://sidegate:hush@host/1",) * 2
    file.write_text("redis://renamed:new@host/1")
    assert current() == "redis://renamed:new@host/1"

    reasons = [record.msg["reason"] for record in caplog.records if record.msg["event"] == "secret reload rejected"]
    assert reasons == ["is empty", "names another server, which takes a restart", "no such file or directory"]
    assert "hush" not in caplog.text
