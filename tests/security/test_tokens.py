"""Tokens that a running sidecar made, sent where they do not belong: to other fields, other tenants, or changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from sidegate.authz.v1 import history_pb2, membership_pb2
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from sidegate.bootstrap import serving
from sidegate.config.settings import GivenSettings
from support.servers.companies import Company, create

PURPOSES = ("revision", "page", "page of changes", "confirmation", "invitation", "cursor")


@dataclass(frozen=True)
class Tokens:
    """A token of each purpose, of one company, and the calls that take one each."""

    company: Company

    async def made(self) -> dict[str, str]:
        """Return a token of each purpose."""
        company = self.company
        invited = await company.invite("ina@acme.example")
        first = await company.members.DeleteMember(membership_pb2.DeleteMemberRequest(name=company.name("uma")))
        members = await company.members.ListMembers(
            membership_pb2.ListMembersRequest(parent=company.parent, page_size=1)
        )
        history = HistoryServiceStub(company.channel)
        changes = await history.ListChanges(history_pb2.ListChangesRequest(parent=company.parent, page_size=1))
        watch = history.WatchChanges(history_pb2.WatchChangesRequest(parent=company.parent, from_beginning=True))
        cursor = (await watch.read()).cursor
        watch.cancel()
        tokens = (
            invited.revision,
            members.next_page_token,
            changes.next_page_token,
            first.confirmation_token,
            invited.results[0].member.invitation.token,
            cursor,
        )
        return dict(zip(PURPOSES, tokens, strict=True))

    def calls(self) -> dict[str, Callable[[str], Awaitable[Any]]]:
        """Return, for each purpose, the call that takes its token."""
        company = self.company
        history = HistoryServiceStub(company.channel)
        return {
            "revision": lambda token: company.check("ann", "view", "document:d1", revision=token),
            "page": lambda token: company.members.ListMembers(
                membership_pb2.ListMembersRequest(parent=company.parent, page_size=1, page_token=token)
            ),
            "page of changes": lambda token: history.ListChanges(
                history_pb2.ListChangesRequest(parent=company.parent, page_size=1, page_token=token)
            ),
            "confirmation": lambda token: company.members.DeleteMember(
                membership_pb2.DeleteMemberRequest(name=company.name("uma"), confirmation_token=token)
            ),
            "invitation": company.accept,
            "cursor": lambda token: _first(
                history.WatchChanges(history_pb2.WatchChangesRequest(parent=company.parent, cursor=token))
            ),
        }


async def _first(stream: Any) -> Any:
    answer = await stream.read()
    stream.cancel()
    return answer


async def _code(call: Awaitable[Any]) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


@asynccontextmanager
async def _opened(directory: Path) -> AsyncIterator[tuple[Tokens, Tokens]]:
    settings = GivenSettings.model_validate(
        {"database": f"sqlite:///{directory}/facts.db", "listen": (f"unix:{directory}/socket",), "drain": 0}
    )
    async with serving(settings) as running, grpc.aio.insecure_channel(running.addresses[0]) as channel:
        companies = [await create(channel) for _ in range(2)]
        for company in companies:
            await company.join("uma")
        yield Tokens(companies[0]), Tokens(companies[1])


def _changed(token: str) -> list[str]:
    """Return texts that are nearly the token: cut, longer, of another spelling, or with another character."""
    other = {"A": "B"}.get(token[0], "A") + token[1:]
    middle = len(token) // 2
    swapped = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    return [token[:-1], token[:middle], token + "A", token + "=", f" {token}", other, swapped, token.swapcase()]


async def test_a_token_opens_only_what_it_was_made_for(tmp_path: Path):
    """A token of one purpose is none of another, one of a tenant is none of another's, and no byte can be changed.

    A cursor is the exception: it names a position in the feed of all tenants, and what is read from there is
    what the caller may read anyway.
    """
    async with _opened(tmp_path) as (ours, theirs):
        tokens, foreign = await ours.made(), await theirs.made()
        assert all(tokens.values())
        calls = ours.calls()
        for purpose, call in calls.items():
            others = [token for name, token in tokens.items() if name != purpose]
            if purpose != "cursor":
                others.append(foreign[purpose])
            for wrong in (*others, *_changed(tokens[purpose])):
                assert await _code(call(wrong)) in {"INVALID_ARGUMENT", "NOT_FOUND"}, (purpose, wrong)
        for purpose in ("revision", "page", "page of changes", "cursor", "invitation", "confirmation"):
            assert await _code(calls[purpose](tokens[purpose])) == "OK", purpose


async def test_a_cursor_shows_no_change_of_another_tenant(tmp_path: Path):
    """A cursor that a watcher of another tenant got shows only changes of the tenant that is watched."""
    async with _opened(tmp_path) as (ours, theirs):
        cursor = (await theirs.made())["cursor"]
        await ours.company.join("pia")
        await theirs.company.join("pia")
        history = HistoryServiceStub(ours.company.channel)
        request = history_pb2.WatchChangesRequest(parent=ours.company.parent, cursor=cursor)
        stream = history.WatchChanges(request)
        seen = []
        while not seen or not seen[-1].caught_up:
            seen.append(await stream.read())
        stream.cancel()
        assert {change.tenant for answer in seen for change in answer.changes} == {ours.company.parent}
