"""Changes as they are written, over gRPC, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from sidegate.authz.v1.tenant_pb2 import DeleteTenantRequest
from support.decisions.watching import Watch, listed, watching
from support.servers.companies import Company, refused

DOCUMENT = """\
tenants:
  TENANT:
    pack: standard
    members:
      ann: {email: ann@acme.example, roles: [owner]}
      uma: {roles: [member]}
      leo: {roles: [member]}
    groups:
      sales: {members: [uma]}
    resources:
      document:contract: {owner: uma}
"""
SALES = "    groups:\n      sales: {members: [uma]}\n"


pytestmark = pytest.mark.company("standard", DOCUMENT, DOCUMENT.replace("owner: uma", "owner: leo"))
"""A company whose document was handed over from uma to leo."""


def keys_of(changes: Any) -> list[tuple[Any, ...]]:
    return [(one.change.entity, *one.change.key, one.change.HasField("after")) for one in changes]


async def test_from_the_beginning_all_is_sent_in_order(company):
    """MS-02: a stream from the beginning sends exactly the history, the oldest first, and then that it caught up."""
    async with watching(company.channel, parent=company.parent, from_beginning=True) as watch:
        assert watch.changes == await listed(company.channel, company.parent)


async def test_from_now_only_new_changes_are_sent(company):
    """A stream without a start immediately reports that it caught up, then sends each write when it is made."""
    async with watching(company.channel, parent=company.parent) as watch:
        assert not watch.changes
        await company.invite("eve", actor="member:ann")
        changes = await watch.until(2)
        assert min(keys_of(changes)) == ("invitation", "eve", True)
        assert {one.actor for one in changes} == {"member:ann"}
        assert len({one.revision for one in changes}) == 1


async def test_a_cursor_goes_on_without_loss_or_repetition(company):
    """After a reconnect with its cursor a stream sends all that was written meanwhile, and nothing twice."""
    async with watching(company.channel, parent=company.parent, from_beginning=True) as watch:
        changes, cursor = watch.changes, watch.cursor
    for number in range(5):
        await company.invite(f"m{number}")
        async with watching(company.channel, parent=company.parent, cursor=cursor) as watch:
            changes, cursor = changes + watch.changes, watch.cursor
    assert changes == await listed(company.channel, company.parent)


async def test_a_write_of_many_changes_is_sent_whole(company):
    """Revisions of hundreds of changes come in one response each, from memory and from the store alike.

    One longer than any page goes on in the next.
    """
    async with watching(company.channel, parent=company.parent) as live:
        before = len(await listed(company.channel, company.parent))
        behind = Watch(company.channel, parent=company.parent, cursor=live.cursor)
        members = ""
        for first, last in ((0, 100), (100, 220), (220, 400), (400, 760)):
            members += "".join(f"      m{n}: {{roles: [member]}}\n" for n in range(first, last))
            await company.apply(DOCUMENT.replace("    groups:", f"{members}    groups:"))
        written = (await listed(company.channel, company.parent))[before:]
        after = Watch(company.channel, parent=company.parent, cursor=live.cursor)
        for watch in (live, behind, after):
            parts = []
            while len(watch.changes) < len(written):
                parts.append({one.revision for one in (await watch.next()).changes})
            assert watch.changes == written
            revisions = set().union(*parts)
            assert sorted([revision in part for part in parts].count(True) for revision in revisions) == [1, 1, 1, 2]
        behind.call.cancel()
        after.call.cancel()


CONDITIONS = [
    {"member": "leo"},
    {"member": "leo", "kind": "grant", "role": "member"},
    {"role": "owner"},
    {"group": "sales"},
    {"group": "sales", "member": "uma"},
    {"resource": "document:contract"},
    {"kind": "group_member"},
    {"actor": "member:ann"},
    {"actor": "platform", "kind": "tenant"},
]


@pytest.mark.parametrize("parent", ["one", "tenants/-", ""])
async def test_conditions_are_those_of_the_list(company, parent):
    """Every condition means what it means to ListChanges, for one tenant and for all of them."""
    await company.invite("eve", actor="member:ann")
    asked = company.parent if parent == "one" else parent
    for condition in CONDITIONS:
        async with watching(company.channel, parent=asked, from_beginning=True, **condition) as watch:
            found = [one for one in watch.changes if one.tenant == company.parent]
            assert found == await listed(company.channel, company.parent, **condition), condition
            assert found, condition


async def test_a_heartbeat_moves_the_cursor_over_what_is_left_out(company):
    """A stream without changes sends heartbeats, and its cursor passes the changes that its filter leaves out."""
    async with watching(company.channel, parent=company.parent, kind="group", heartbeat=1) as watch:
        before = watch.cursor
        await company.invite("eve")
        await company.apply(DOCUMENT)
        while watch.cursor == before:
            await watch.next()
        await watch.next()
        assert not watch.changes
        cursor = watch.cursor
    await company.apply(DOCUMENT.replace(SALES, ""))
    async with watching(company.channel, parent=company.parent, cursor=cursor) as watch:
        assert ("group", "sales", False) in keys_of(watch.changes)
        assert all(not one.change.HasField("after") for one in watch.changes)


async def test_a_stream_begins_at_a_time(company):
    """From a change's own time on, it and all later ones are sent; for all tenants alike."""
    every = await listed(company.channel, company.parent)
    time = every[-1].time
    for parent in (company.parent, "tenants/-"):
        async with watching(company.channel, parent=parent, start_time=time) as watch:
            assert [one for one in watch.changes if one.tenant == company.parent] == every[-2:]
    async with watching(company.channel, parent=company.parent, start_time=Timestamp(seconds=1)) as watch:
        assert watch.changes == every


async def test_the_last_of_a_tenant_is_that_it_went(company):
    """A tenant that is deleted can be watched to its end, and from its beginning afterwards."""
    async with watching(company.channel, parent=company.parent) as watch:
        first = await company.tenants.DeleteTenant(DeleteTenantRequest(name=company.parent))
        confirmed = DeleteTenantRequest(name=company.parent, confirmation_token=first.confirmation_token)
        await company.tenants.DeleteTenant(confirmed)
        assert keys_of(await watch.until(1)) == [("tenant", False)]
    async with watching(company.channel, parent=company.parent, from_beginning=True) as watch:
        assert keys_of(watch.changes)[-1] == ("tenant", False)


async def test_a_change_that_was_sent_is_applied(company):
    """A Check sent right after a stream reported a revocation is not answered from before it."""
    await company.apply(DOCUMENT)
    async with watching(company.channel, parent=company.parent, kind="grant") as watch:
        for _ in range(5):
            received = len(watch.changes)
            granted = asyncio.create_task(company.grant("viewer", "member:leo", on="document:contract"))
            await watch.until(received + 1)
            assert (await company.check("leo", "view", "document:contract"))[0]
            await granted
            revoked = asyncio.create_task(company.revoke("viewer", "member:leo", on="document:contract"))
            await watch.until(received + 2)
            assert not (await company.check("leo", "view", "document:contract"))[0]
            await revoked


async def violations(company: Company, **request: Any) -> dict[str, str]:
    return (await refused(Watch(company.channel, **request).end(), "INVALID_INPUT")).violations


async def test_every_wrong_field_is_named_at_once(company):
    """Conditions, cursor and heartbeat that are not right are INVALID_ARGUMENT by their fields."""
    wrong = {"member": "*", "resource": "contract", "kind": "grants", "actor": "a\nb", "cursor": "x", "heartbeat": 0.5}
    assert set(await violations(company, parent=company.parent, **wrong)) == set(wrong)
    impossible = Timestamp(seconds=2**60)
    assert set(await violations(company, parent=company.parent, start_time=impossible)) == {"start_time"}
    assert set(await violations(company, parent="acme")) == {"parent"}


async def test_a_time_that_has_not_come_is_refused(company):
    """A start in the future is a mistake, not a long wait."""
    assert "in the future" in (await violations(company, start_time=Timestamp(seconds=2**33)))["start_time"]


async def test_a_token_of_another_kind_is_no_cursor(company):
    """A page's token, or a cursor that somebody altered, is refused by its field."""
    request = pb.ListChangesRequest(parent=company.parent, page_size=1)
    page = await HistoryServiceStub(company.channel).ListChanges(request)
    async with watching(company.channel, parent=company.parent) as watch:
        altered = watch.cursor[:30] + ("A" if watch.cursor[30] != "A" else "B") + watch.cursor[31:]
    for cursor in (page.next_page_token, altered):
        assert set(await violations(company, parent=company.parent, cursor=cursor)) == {"cursor"}


async def test_a_tenant_that_never_was_is_not_found(company):
    """A tenant that does not exist is refused immediately."""
    await refused(Watch(company.channel, parent="tenants/never").end(), "NOT_FOUND")


async def test_who_hangs_up_is_done_with(company):
    """A stream that its caller cancels ends there, and others go on."""
    async with watching(company.channel, parent=company.parent) as watch:
        async with watching(company.channel, parent=company.parent) as other:
            other.call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await other.next()
            assert await other.call.code() is grpc.StatusCode.CANCELLED
        await company.invite("eve")
        assert len(await watch.until(2)) == 2
