"""Watching through what happens to sidecars and their stores: no change is lost, and nothing hangs."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest

from sidegate.bootstrap import serving
from sidegate.config.load import load_settings
from sidegate.server.grpc import listener
from support.decisions.watching import Watch, listed, watching
from support.servers.cli import sidecar
from support.servers.companies import Company, create, refused
from support.servers.faulty_link import faulty_link
from support.servers.sidecar import failure
from support.waiting import until

ROUNDS = 2


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The address of a database of one's own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/facts.db"
        return
    async with request.getfixturevalue("postgres").database() as address:
        yield address


@asynccontextmanager
async def running(database: str, **settings: object) -> AsyncIterator[grpc.aio.Channel]:
    """Run a sidecar in this process, and yield a channel to it."""
    flags = {"database": database, "listen": "127.0.0.1:0", "drain": 0, **settings}
    async with (
        serving(load_settings(flags)) as sidecar_here,
        grpc.aio.insecure_channel(sidecar_here.addresses[0]) as channel,
    ):
        yield channel


def company_on(channel: grpc.aio.Channel, tenant: str) -> Company:
    return Company(channel, tenant, "ann")


async def test_nothing_is_lost_when_sidecars_are_killed(database, tmp_path):
    """Through SIGKILLs amid writes, streams that go on from their last cursor send the whole history, nothing twice."""
    tenant, cursor, changes = "", "", []
    for round_ in range(ROUNDS):
        with sidecar(tmp_path, "--database", database) as victim:
            async with grpc.aio.insecure_channel(victim.address) as wire:
                company = company_on(wire, tenant) if tenant else await create(wire, "standard")
                tenant = company.tenant
                start = {"cursor": cursor} if cursor else {"from_beginning": True}
                watch = Watch(wire, parent=company.parent, **start)
                writing = asyncio.create_task(_invite_on(company, f"r{round_}"))
                while len(watch.changes) < 20:
                    await watch.next()
                victim.process.kill()
                with suppress(grpc.aio.AioRpcError):
                    await watch.end()
                assert await writing > 0
                changes, cursor = changes + watch.changes, watch.cursor
    async with running(database) as wire, watching(wire, parent=f"tenants/{tenant}", cursor=cursor) as watch:
        assert changes + watch.changes == await listed(wire, f"tenants/{tenant}")


async def _invite_on(company: Company, name: str) -> int:
    """Invite members until the sidecar is killed; return how many were invited."""
    number = 0
    with suppress(grpc.aio.AioRpcError):
        while True:
            await company.invite(f"{name}-{number}")
            number += 1
    return number


async def test_a_stop_ends_streams_with_their_cursor(database, monkeypatch):
    """A stop ends a stream UNAVAILABLE immediately, with the time of the next try; its cursor is valid on the next."""
    monkeypatch.setattr(listener, "_STATUS_SECONDS", 3600.0)
    async with AsyncExitStack() as stack:
        settings = load_settings({"database": database, "listen": "127.0.0.1:0", "drain": 3600})
        here = await stack.enter_async_context(serving(settings))
        async with grpc.aio.insecure_channel(here.addresses[0]) as wire:
            company = await create(wire, "standard")
            async with watching(wire, parent=company.parent) as watch:
                ending = asyncio.create_task(failure(watch.end()))
                await stack.aclose()
                refusal = await ending
    assert (refusal.code, refusal.info.reason) == (grpc.StatusCode.UNAVAILABLE, "STOPPING")
    assert refusal.retry is not None
    async with running(database) as wire:
        await company_on(wire, company.tenant).invite("eve")
        async with watching(wire, parent=company.parent, cursor=watch.cursor) as after:
            assert len(after.changes) == 2


async def test_only_so_many_may_watch(tmp_path):
    """One more than the setting allows is RESOURCE_EXHAUSTED, until another one hangs up."""
    async with running(f"sqlite:///{tmp_path}/facts.db", max_watchers=2) as wire, watching(wire):
        async with watching(wire):
            refusal = await refused(Watch(wire).end(), "TOO_MANY_WATCHERS")
            assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert refusal.retry is not None
        await until(lambda: _may_watch(wire))


async def _may_watch(wire: grpc.aio.Channel) -> bool:
    try:
        async with watching(wire):
            return True
    except grpc.aio.AioRpcError:
        return False


async def test_a_cursor_of_another_store_is_refused(tmp_path):
    """A cursor of another deployment is INVALID_ARGUMENT, not a position in this one."""
    async with running(f"sqlite:///{tmp_path}/one.db") as wire, watching(wire) as watch:
        cursor = watch.cursor
    async with running(f"sqlite:///{tmp_path}/two.db") as wire:
        refusal = await refused(Watch(wire, cursor=cursor).end(), "INVALID_INPUT")
        assert set(refusal.violations) == {"cursor"}


async def test_a_store_that_was_taken_back_refuses_later_cursors(tmp_path):
    """After a backup was restored and written on, a cursor from before is refused: the store has no such revision."""
    database, backup = tmp_path / "facts.db", tmp_path / "backup.db"
    cursors = {}
    async with running(f"sqlite:///{database}") as wire:
        company = await create(wire, "standard")
        async with watching(wire) as watch:
            cursors["before"] = watch.cursor
    shutil.copy(database, backup)
    async with running(f"sqlite:///{database}") as wire:
        for name in ("undone", "ahead"):
            await company_on(wire, company.tenant).invite(name)
            async with watching(wire) as watch:
                cursors[name] = watch.cursor
    shutil.copy(backup, database)
    async with running(f"sqlite:///{database}") as wire:
        await company_on(wire, company.tenant).invite("other")
        for name in ("undone", "ahead"):
            refusal = await refused(Watch(wire, cursor=cursors[name]).end(), "INVALID_INPUT")
            assert set(refusal.violations) == {"cursor"}
        async with watching(wire, cursor=cursors["before"]) as watch:
            assert {"other"} == {one.change.key[0] for one in watch.changes}


@pytest.mark.parametrize("written_on", [0, 3])
async def test_a_store_that_is_taken_back_under_a_stream_ends_it(tmp_path, written_on):
    """A stream that has sent what the store no longer has ends INVALID_ARGUMENT, and does not skip later changes."""
    database = tmp_path / "facts.db"
    async with running(f"sqlite:///{database}", poll_interval=0.1) as wire:
        company = await create(wire, "standard")
        async with watching(wire, heartbeat=1) as watch, watching(wire, parent=company.parent, heartbeat=1) as other:
            await company.invite("eve")
            assert len(await watch.until(2)) == len(await other.until(2))
            with closing(sqlite3.connect(database)) as connection:
                connection.executescript(
                    "DELETE FROM changes WHERE sequence > (SELECT head - 2 FROM feed); UPDATE feed SET head = head - 2;"
                )
            for number in range(written_on):
                await company.invite(f"m{number}")
            for ending in (watch, other):
                refusal = await refused(ending.end(), "INVALID_INPUT")
                assert set(refusal.violations) == {"cursor"}


@pytest.fixture
async def pair(postgres: Any) -> Any:
    """Channels to two sidecars that share a PostgreSQL."""
    async with (
        postgres.database() as address,
        running(address, poll_interval=0.1) as first,
        running(address, poll_interval=0.1) as second,
    ):
        yield first, second


async def test_what_one_sidecar_writes_is_sent_and_applied_by_the_other(pair):
    """A stream on one sidecar sends what another wrote, in order; a Check there answers from no earlier state then."""
    here = await create(pair[0], "engagelab")
    there = replace(here, channel=pair[1])
    await here.join("bob")
    async with watching(pair[1], parent=here.parent, role="Admin") as watch:
        for number in range(0, 10, 2):
            await here.grant("Admin", "member:bob")
            await watch.until(number + 1)
            assert (await there.check("bob", "invite", "member"))[0]
            await here.revoke("Admin", "member:bob")
            await watch.until(number + 2)
            assert not (await there.check("bob", "invite", "member"))[0]
    assert [one.change.HasField("after") for one in watch.changes] == [True, False] * 5


async def test_a_stream_moves_between_sidecars(pair):
    """While both write, a stream that changes sides with its cursor sends all that both wrote, each once, in order."""
    here = await create(pair[0], "standard")
    there = replace(here, channel=pair[1])

    async def invite(company: Company, name: str) -> None:
        for number in range(8):
            await company.invite(f"{name}{number}")

    writing = asyncio.gather(invite(here, "left"), invite(there, "right"))
    start: dict[str, Any] = {"from_beginning": True}
    changes: list[Any] = []
    side = 0
    while not writing.done() or side < 6:
        async with watching(pair[side % 2], parent=here.parent, **start) as watch:
            changes += watch.changes
            start = {"cursor": watch.cursor}
        side += 1
    await writing
    whole = await listed(pair[0], here.parent)
    async with watching(pair[0], parent=here.parent, **start) as watch:
        await watch.until(len(whole) - len(changes))
    assert changes + watch.changes == whole


async def test_a_stream_outlives_a_short_silence_of_the_store_and_no_long_one(postgres, tmp_path):
    """Within the bound a stream waits for its store and goes on; past it, it ends UNAVAILABLE."""
    async with postgres.database() as address, faulty_link(_socket(postgres.directory), _socket(tmp_path)) as link:
        settings = {"poll_interval": 0.1, "max_staleness": 5}
        async with running(_through(address, tmp_path), **settings) as wire:
            company = await create(wire, "standard")
            async with watching(wire, parent=company.parent, heartbeat=1) as watch:
                link.silence()
                inviting = asyncio.create_task(company.invite("eve"))
                await asyncio.sleep(1.5)  # longer than a heartbeat, shorter than the bound
                link.mend()
                await inviting
                assert len(await watch.until(2)) == 2
                link.cut()
                refusal = await failure(watch.end())
                assert (refusal.code, refusal.info.reason) == (grpc.StatusCode.UNAVAILABLE, "TOO_STALE")
                assert refusal.retry is not None
            await refused(Watch(wire, cursor=watch.cursor).end(), "TOO_STALE")
            link.mend()
            await until(lambda: _may_watch(wire))
            await company.invite("zoe")
            async with watching(wire, parent=company.parent, cursor=watch.cursor) as after:
                assert {one.change.key[0] for one in after.changes} == {"zoe"}


def _socket(directory: Path) -> Path:
    return directory / ".s.PGSQL.5432"


def _through(address: str, directory: Path) -> str:
    """Return the address of a database with its socket in another directory."""
    return f"{address.partition('?')[0]}?host={quote(str(directory), safe='')}"
