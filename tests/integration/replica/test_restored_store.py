"""A store that is restored from a backup: what was made of the time that is lost answers nobody any more."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from sidegate import bootstrap
from sidegate.authz.v1 import authorization_pb2 as authz
from sidegate.authz.v1 import facts_pb2 as facts
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.config.load import load_settings
from support.decisions.deciding import apply, ask
from support.decisions.shared_cache import Counted
from support.servers.companies import Company, create, refused
from support.servers.valkey import ValkeyServer, valkey_server
from support.waiting import until

FACTS = """
tenants:
  acme:
    members: {olivia: {roles: [owner]}, uma: {}, vic: {}}
    resources: {"document:d1": {owner: uma}}
    grants: [{role: viewer, on: "document:d1", to: "member:HOLDER"}]
"""
QUESTION = "vic view document:d1"


@dataclass(frozen=True)
class Database:
    """A database with the ways to back it up and to restore it; nobody is connected meanwhile."""

    address: str
    back_up: Callable[[], Awaitable[None]]
    restore: Callable[[], Awaitable[None]]


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        path, backup = tmp_path / "facts.db", tmp_path / "backup.db"
        yield Database(
            f"sqlite:///{path}",
            lambda: asyncio.to_thread(copied, path, backup),
            lambda: asyncio.to_thread(copied, backup, path),
        )
        return
    server = request.getfixturevalue("postgres")
    async with server.database() as address:
        name = address.partition("@/")[2].partition("?")[0]

        async def replace(old: str, new: str) -> None:
            await server.execute(f"DROP DATABASE IF EXISTS {new} WITH (FORCE)")
            await server.execute(f"CREATE DATABASE {new} TEMPLATE {old} STRATEGY file_copy")

        yield Database(address, lambda: replace(name, f"{name}_backup"), lambda: replace(f"{name}_backup", name))
        await server.execute(f"DROP DATABASE IF EXISTS {name}_backup")


def copied(source: Any, target: Any) -> None:
    """Copy a SQLite database as its own tools do, also into one that is in use."""
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)


@pytest.fixture
def redis() -> Iterator[ValkeyServer]:
    with valkey_server() as server:
        yield server


@asynccontextmanager
async def deciding(database: Database, redis: ValkeyServer, counted: Counted) -> AsyncIterator[bootstrap.Core]:
    flags = {"database": database.address, "redis": redis.address, "redis_timeout": 0.25}
    async with bootstrap.deciding(load_settings(flags), caching=counted) as core:
        yield core


async def decided_cold(database: Database, redis: ValkeyServer) -> tuple[bool, str]:
    """Ask a sidecar that has just started; return whether it allows, and where it had the answer from."""
    counted = Counted()
    async with deciding(database, redis, counted) as core:
        allowed = (await ask(core, QUESTION)).allowed
        return allowed, counted.taken()[0]


async def test_answers_of_rolled_back_revisions_are_never_served(database: Database, redis: ValkeyServer) -> None:
    """What Redis holds of a revision answers that revision alone, and not the one that bears its number by now."""
    async with deciding(database, redis, Counted()) as core:
        await apply(core, FACTS.replace("HOLDER", "uma"))
    await database.back_up()
    async with deciding(database, redis, Counted()) as core:
        (lost,) = (await apply(core, FACTS.replace("HOLDER", "vic"))).values()
        assert (await ask(core, QUESTION)).allowed
        while not await asyncio.to_thread(redis.execute, "DBSIZE"):
            pass
    assert await decided_cold(database, redis) == (True, "hit_shared")

    await database.restore()
    async with deciding(database, redis, Counted()) as core:
        (made,) = (await apply(core, FACTS.replace("HOLDER", "olivia"))).values()
    assert (made.number, made.time > lost.time) == (lost.number, True)
    assert await decided_cold(database, redis) == (False, "miss")


@asynccontextmanager
async def running(database: Database, **settings: object) -> AsyncIterator[grpc.aio.Channel]:
    flags = {"database": database.address, "listen": "127.0.0.1:0", "drain": 0, **settings}
    async with (
        bootstrap.serving(load_settings(flags)) as here,
        grpc.aio.insecure_channel(here.addresses[0]) as channel,
    ):
        yield channel


async def lost(company: Company, token: str) -> bool:
    """Require that no Check and no past state answers a token; return whether the error says not to wait."""
    error = await refused(company.check("bob", "invite", "member", revision=token), "TOO_STALE")
    assert error.code is grpc.StatusCode.UNAVAILABLE
    asked = facts.ExportFactsRequest(tenants=[company.tenant], at_revision=token)
    await refused(FactsServiceStub(company.channel).ExportFacts(asked), "INVALID_INPUT")
    return error.info.metadata["revision"] == "lost" and error.retry is None


@pytest.mark.parametrize("written_on", [0, 2, 3])
async def test_no_token_of_a_rolled_back_revision_is_answered(database: Database, written_on: int) -> None:
    """However far the numbers have come again; tokens of before the backup, and of after it, are good as ever."""
    async with running(database) as wire:
        company = await create(wire, "engagelab")
        tenant = company.tenant
        await company.join("bob")
        token_before = await company.grant("Admin", "member:bob")
    await database.back_up()
    async with running(database) as wire:
        company = Company(wire, tenant, "ann")
        lost_tokens = [await company.revoke("Admin", "member:bob"), await company.grant("Admin", "member:bob")]
        lost_tokens.append(await token_of_an_answer(company))
    await database.restore()
    async with running(database) as wire:
        company = Company(wire, tenant, "ann")
        made = [
            await (company.grant if turn % 2 else company.revoke)("Admin", "member:bob") for turn in range(written_on)
        ]
        allowed = written_on % 2 == 0
        assert [await lost(company, token) for token in lost_tokens] == [True] * 3
        for token in ("", token_before, *made):
            assert (await company.check("bob", "invite", "member", revision=token))[0] is allowed


async def token_of_an_answer(company: Company) -> str:
    """Return the revision that a Check is answered with."""
    resource = authz.Resource(type="member", id="*")
    asked = authz.CheckRequest(
        tenant=company.tenant, subject=authz.Subject(id="bob"), action="invite", resource=resource
    )
    return (await AuthorizationServiceStub(company.channel).Check(asked)).revision


@pytest.mark.parametrize("written_on", [0, 3])
async def test_a_store_that_is_restored_under_a_sidecar_honours_no_lost_token(tmp_path: Any, written_on: int) -> None:
    """A sidecar that keeps running, with rolled-back revisions in memory, answers the same after its next poll."""
    path, backup = tmp_path / "facts.db", tmp_path / "backup.db"
    database = Database(f"sqlite:///{path}", no_backup, no_backup)
    async with running(database, poll_interval=0.05) as wire:
        company = await create(wire, "engagelab")
        await company.join("bob")
        token_before = await company.grant("Admin", "member:bob")
        await asyncio.to_thread(copied, path, backup)
        lost_tokens = [await company.revoke("Admin", "member:bob"), await company.grant("Admin", "member:bob")]
        await asyncio.to_thread(copied, backup, path)
        for turn in range(written_on):
            await (company.grant if turn % 2 else company.revoke)("Admin", "member:bob")
        # Until then it answers from memory, within the bound.
        await until(lambda: refuses(company, lost_tokens[0]))
        assert [await lost(company, token) for token in lost_tokens] == [True] * 2
        assert (await company.check("bob", "invite", "member", revision=token_before))[0] is (written_on % 2 == 0)


async def test_no_step_is_allowed_by_a_lost_time(tmp_path: Any) -> None:
    """A sidecar that has not looked since writes nothing by the rights of a revision that bears the number no more."""
    path, backup = tmp_path / "facts.db", tmp_path / "backup.db"
    database = Database(f"sqlite:///{path}", no_backup, no_backup)
    async with running(database, poll_interval=59, max_staleness=60) as wire:
        company = await create(wire, "engagelab")
        await company.join("bob")
        await asyncio.to_thread(copied, path, backup)
        await company.grant("Admin", "member:bob")
        assert (await company.check("bob", "invite", "member"))[0]
        await asyncio.to_thread(copied, backup, path)
        async with running(database) as other:
            await Company(other, company.tenant, "ann").invite("cat")
        await refused(company.invite("eve", actor="member:bob"), "NOT_PERMITTED")


async def refuses(company: Company, token: str) -> bool:
    """Whether a token is refused by now."""
    try:
        await company.check("bob", "invite", "member", revision=token)
    except grpc.aio.AioRpcError:
        return True
    return False


async def no_backup() -> None:
    """Do nothing: the test copies the database while it is in use."""
