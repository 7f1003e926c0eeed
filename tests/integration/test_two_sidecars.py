"""Two sidecars on one PostgreSQL, asked for the same thing at the same moment, end in one right state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Any

import grpc
import pytest

from sidegate.authz.v1 import resource_pb2 as resources
from support.cli import sidecar
from support.companies import Company, create

ROUNDS = 12
_NUMBERS = count(1)


@pytest.fixture
async def pair(postgres: Any, tmp_path) -> AsyncIterator[tuple[grpc.aio.Channel, grpc.aio.Channel]]:
    """Channels to two sidecars that share a database."""
    name = f"pair{next(_NUMBERS)}"
    await postgres.execute(f"CREATE DATABASE {name}")
    flags = ["--drain", "0", "--database", postgres.address(name)]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with sidecar(tmp_path / "one", *flags) as one, sidecar(tmp_path / "two", *flags) as two:
        async with (
            grpc.aio.insecure_channel(one.address) as first,
            grpc.aio.insecure_channel(two.address) as second,
        ):
            yield first, second


async def outcomes(*calls: Any) -> list[bool]:
    """Await calls together; return which went through, and let only refusals stand for the others."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    codes = [call.code() for call in ended if isinstance(call, grpc.aio.AioRpcError)]
    assert len(codes) == sum(isinstance(call, BaseException) for call in ended), ended
    refusals = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS}
    assert set(codes) <= refusals, ended
    return [not isinstance(call, BaseException) for call in ended]


async def test_delegation_at_the_same_moment(pair):
    """EF-02: whoever wins, exactly one holds the position, and it is the winner's choice."""
    here = await create(pair[0], "eformsign")
    there = replace(here, channel=pair[1])
    for member in ("bob", "cid"):
        await here.join(member)
    holder = "ann"
    for _ in range(ROUNDS):
        others = [member for member in ("ann", "bob", "cid") if member != holder]
        actor = f"member:{holder}"
        done = await outcomes(here.delegate(others[0], actor=actor), there.delegate(others[1], actor=actor))
        assert sum(done) == 1
        holder = others[done.index(True)]
        assert await here.holders("representative_admin") == [f"member:{holder}"]
        assert await there.holders("representative_admin") == [f"member:{holder}"]


async def test_invitations_for_the_last_seat(pair):
    """EF-13: of two invitations for the last seat one goes through, and no seat is taken twice."""
    here = await create(pair[0], "eformsign", seats=1 + ROUNDS)
    there = replace(here, channel=pair[1])
    for number in range(ROUNDS - 1):
        await here.invite(f"m{number}")
    for number in range(ROUNDS):
        done = await outcomes(here.invite(f"left{number}"), there.invite(f"right{number}"))
        assert sum(done) == (number == 0)
    assert len(await there.list()) == 1 + ROUNDS


async def test_quota_taken_from_both_sides(pair):
    """MS-08: what both take adds up to what there was, a repeated request counts once, none goes below zero."""
    here = await create(pair[0], "mekari-sign")
    there = replace(here, channel=pair[1])
    await here.quotas.SetQuota(resources.SetQuotaRequest(name=here.name("ann"), quota=ROUNDS))
    for number in range(ROUNDS):
        same = f"request-{number}"
        done = await outcomes(here.consume("ann", request_id=same), there.consume("ann", request_id=same))
        assert done == [True, True]
    assert (await here.get("ann")).quota == 0
    done = await outcomes(*(company.consume("ann") for company in (here, there) for _ in range(3)))
    assert not any(done)
    await here.quotas.SetQuota(resources.SetQuotaRequest(name=here.name("ann"), quota=5))
    done = await outcomes(*(company.consume("ann") for company in (here, there) for _ in range(4)))
    assert sum(done) == 5
    assert (await there.get("ann")).quota == 0


async def test_a_revocation_counts_on_the_other_sidecar(pair):
    """EL-09: with the write's revision no sidecar allows what another one took away."""
    here: Company = await create(pair[0], "engagelab")
    there = replace(here, channel=pair[1])
    await here.join("bob")
    for _ in range(ROUNDS):
        revision = await here.grant("Admin", "member:bob")
        assert (await there.check("bob", "invite", "member", revision=revision))[0]
        revision = await here.revoke("Admin", "member:bob")
        assert not (await there.check("bob", "invite", "member", revision=revision))[0]
