"""Two sidecars on one PostgreSQL, asked for the same thing together, end in one right state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import grpc
import pytest
from google.rpc.code_pb2 import ALREADY_EXISTS

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.authz.v1 import resource_pb2 as resources
from sidegate.authz.v1 import role_pb2 as roles
from support.decisions.watching import listed
from support.servers.cli import sidecar
from support.servers.companies import Company, create

ROUNDS = 12
_NUMBERS = count(1)


@pytest.fixture(scope="module")
def addresses(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Where two sidecars listen that share a database."""
    name = f"pair{next(_NUMBERS)}"
    asyncio.run(postgres.execute(f"CREATE DATABASE {name}"))
    flags = ["--drain", "0", "--database", postgres.address(name)]
    directories = [tmp_path_factory.mktemp(side) for side in ("one", "two")]
    with sidecar(directories[0], *flags) as one, sidecar(directories[1], *flags) as two:
        yield one.address, two.address


@pytest.fixture
async def pair(addresses: tuple[str, str]) -> AsyncIterator[tuple[grpc.aio.Channel, grpc.aio.Channel]]:
    """Channels to the two sidecars."""
    async with (
        grpc.aio.insecure_channel(addresses[0]) as first,
        grpc.aio.insecure_channel(addresses[1]) as second,
    ):
        yield first, second


async def outcomes(*calls: Any) -> list[bool]:
    """Await calls together; return which went through, and require refusals of all others."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    codes = [call.code() for call in ended if isinstance(call, grpc.aio.AioRpcError)]
    assert len(codes) == sum(isinstance(call, BaseException) for call in ended), ended
    refusals = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS}
    assert set(codes) <= refusals, ended
    return [not isinstance(call, BaseException) for call in ended]


async def test_delegation_on_both_sidecars(pair):
    """EF-02: whichever call wins, exactly one member holds the position, and it is the winner's choice."""
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


async def test_a_suspension_holds_on_the_other_sidecar(pair):
    """ST-24: of a suspension and members' writes on the other sidecar at once, none comes after the suspension."""
    here = await create(pair[0], "standard")
    there = replace(here, channel=pair[1])
    for number in range(ROUNDS):
        invitations = [there.invite(f"m{number}-{n}", actor="member:ann") for n in range(3)]
        revision, _ = await asyncio.gather(here.suspend(), outcomes(*invitations))
        assert await there.check("ann", "invite", "member", revision=revision) == (False, "tenant_suspended")
        resumed = await there.resume()
        assert await here.check("ann", "invite", "member", revision=resumed) == (True, "allowed_by_rule")
    suspended = False
    for change in await listed(pair[0], here.parent):
        assert not (suspended and change.actor == "member:ann"), change
        if change.change.entity == "tenant":
            suspended = "suspended" in change.change.after


async def test_a_deletion_and_writes_together(pair):
    """ST-02: a write on the other sidecar comes before the deletion, or finds no tenant; nothing is left between."""
    for number in range(ROUNDS):
        here = await create(pair[0], "standard")
        there = replace(here, channel=pair[1])
        first = await here.end()
        ended = await asyncio.gather(
            here.end(first.confirmation_token), there.invite(f"m{number}"), return_exceptions=True
        )
        codes = [one.code() for one in ended if isinstance(one, grpc.aio.AioRpcError)]
        # Either the deletion came first, or another member would have been deleted than was confirmed.
        assert codes in ([grpc.StatusCode.NOT_FOUND], [grpc.StatusCode.ABORTED])
        deleted = not isinstance(ended[0], BaseException)
        assert deleted == (codes == [grpc.StatusCode.NOT_FOUND])
        for company in (here, there):
            reason = (await company.check("ann", "delete", "tenant", revision=ended[0].revision if deleted else ""))[1]
            assert reason == ("tenant_unknown" if deleted else "allowed_by_rule")


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


async def test_invitations_of_the_same_person(pair):
    """MS-02: a member invited on two sidecars together is invited once, and the token that was handed out works."""
    here = await create(pair[0], "standard")
    there = replace(here, channel=pair[1])
    for number in range(ROUNDS):
        email = f"eve{number}@acme.example"
        # The same ID in even rounds; in odd ones two IDs, whose e-mail address is the same.
        rows = [pb.Invitee(email=email, account=f"eve{number}-{number % 2 * side}") for side in (0, 1)]
        calls = [_invited(company, row) for company, row in zip((here, there), rows, strict=True)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        (token,) = [one for one in ended if isinstance(one, str)]
        (refusal,) = [one for one in ended if isinstance(one, grpc.aio.AioRpcError)]
        assert refusal.code() in {grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.INVALID_ARGUMENT}
        found = await there.list(text=email)
        assert len(found) == 1
        changes = await listed(pair[number % 2], here.parent, member=found[0], kind="invitation")
        assert [one.change.HasField("before") for one in changes] == [False]
        assert (await there.accept(token)).name == here.name(found[0])


async def _invited(company: Company, row: pb.Invitee) -> str:
    """Invite one person, and return the token."""
    answer = await company.members.InviteMembers(pb.InviteMembersRequest(parent=company.parent, invitees=[row]))
    return answer.results[0].member.invitation.token


async def test_copies_of_a_role_to_the_same_tenants(pair):
    """EL-05: of two copies at once each target takes one, and refuses the other; no target has half of a role."""
    here = await create(pair[0], "engagelab")
    there = replace(here, channel=pair[1])
    targets = [await create(pair[side], "engagelab") for side in (0, 1, 0)]
    names = [target.parent for target in targets]
    for number in range(ROUNDS):
        role = f"Reader{number}"
        await here.make_role(role, "sms:view", "email:view")
        # From both ends, so that each side is first somewhere.
        forth, back = await asyncio.gather(_copied(here, role, names), _copied(there, role, names[::-1]))
        for one, other in zip(forth, back[::-1], strict=True):
            assert one.target == other.target
            (failed,) = [result.error for result in (one, other) if result.HasField("error")]
            assert failed.code == ALREADY_EXISTS
        for target in targets:
            assert await _permissions(replace(target, channel=pair[number % 2]), role) == ["email:view", "sms:view"]
            assert len(await listed(pair[0], target.parent, role=role)) == 1


async def test_replacing_copies_of_two_roles_of_one_name(pair):
    """EL-05: what two replace at once is in each target the later of both, whole, and the same on both sides."""
    sources = [await create(pair[side], "engagelab") for side in (0, 1)]
    targets = [await create(pair[side], "engagelab") for side in (1, 0, 1)]
    names = [target.parent for target in targets]
    kinds = (["email:send", "email:view"], ["sms:send", "sms:view"])
    for source, permissions in zip(sources, kinds, strict=True):
        await source.make_role("Reader", *permissions)
    for _ in range(ROUNDS):
        copied = await asyncio.gather(
            _copied(sources[0], "Reader", names, replace=True), _copied(sources[1], "Reader", names[::-1], replace=True)
        )
        assert all(result.revision for results in copied for result in results)
        for target in targets:
            there = [await _permissions(replace(target, channel=channel), "Reader") for channel in pair]
            assert there[0] == there[1]
            assert there[0] in kinds
            last = (await listed(pair[0], target.parent, role="Reader"))[-1].change.after["permissions"]
            assert there[0] == sorted(f"{type_}:{action}" for type_, actions in last.items() for action in actions)


async def _copied(company: Company, role: str, targets: list[str], **request: Any) -> list[Any]:
    """Copy a role, and return the result for each target."""
    asked = roles.CopyRoleRequest(name=company.role(role), targets=targets, **request)
    return [*(await company.roles.CopyRole(asked)).results]


async def _permissions(company: Company, role: str) -> list[str]:
    answer = await company.roles.GetRole(roles.GetRoleRequest(name=company.role(role)))
    return [*answer.role.permissions]


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
