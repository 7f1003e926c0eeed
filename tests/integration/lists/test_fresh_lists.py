"""Lists on two sidecars that share a PostgreSQL and poll it only when they must: as fresh as was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from sidegate.authz.v1 import authorization_pb2 as pb
from support.decisions.deciding import apply
from support.decisions.listing import FACTS, Lists, found, running
from support.servers.faulty_link import faulty_link
from support.servers.sidecar import TOKENS, Failure, failure
from support.waiting import until

CHANGED = FACTS.replace("      note:n2: {owner: cem}\n", "").replace("n1: {owner: bob}", "n1: {owner: cem}")
"""bob loses his note, which goes to cem, whose own is deleted."""
KINDS: dict[str, Callable[..., Any]] = {
    "resources": lambda lists, **more: lists.resources("bob", **more),
    "subjects": lambda lists, **more: lists.subjects(**more),
    "actions": lambda lists, **more: lists.actions("bob", **more),
}
BEFORE = {"resources": ["n1"], "subjects": ["ann", "bob"], "actions": ["burn", "edit", "sign", "view"]}
AFTER = {"resources": [], "subjects": ["ann", "cem"], "actions": []}
DEMANDS: list[Callable[[str], pb.Consistency]] = [
    lambda revoked: pb.Consistency(at_least_as_fresh=revoked),
    lambda _: pb.Consistency(fully_consistent=True),
    lambda _: pb.Consistency(max_staleness=Duration()),
]


@pytest.fixture
async def pair(postgres: Any, tmp_path: Path) -> AsyncIterator[tuple[Lists, Lists]]:
    async with (
        postgres.database() as address,
        running(tmp_path / "here", database=address) as here,
        running(tmp_path / "there", database=address) as there,
    ):
        yield here, there


async def written(lists: Lists, facts: str) -> str:
    """Apply facts, and return the token of what that made."""
    return TOKENS.encode("acme", (await apply(lists.core, facts))["acme"])


def remembered(lists: Lists) -> str:
    """Return the token of the revision that a sidecar has in memory."""
    return TOKENS.encode("acme", lists.core.snapshots.peek("acme").revision)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_is_as_fresh_as_its_demand(pair, kind):
    """With a revocation's token, or a demand for the store's state, no list is older than that, whatever memory has.

    Without one, actions are of what memory has; what a list reads of the store is never older than the store is.
    """
    here, there = pair
    ask = KINDS[kind]
    for demand_of in DEMANDS:
        granted = await written(here, FACTS)
        page = await ask(there, consistency=pb.Consistency(at_least_as_fresh=granted))
        assert (found(page), page.outcome.revision) == (BEFORE[kind], granted)
        revoked = await written(here, CHANGED)
        assert remembered(there) == granted
        if kind == "actions":
            page = await ask(there)
            assert (found(page), page.outcome.revision) == (BEFORE[kind], granted)
        demand = demand_of(revoked)
        page = await ask(there, consistency=demand)
        assert (found(page), page.outcome.revision) == (AFTER[kind], revoked), demand


async def test_pages_never_go_back(pair):
    """A further page is of the revision of the page before it at least, also on a sidecar that had seen less."""
    here, there = pair
    everything = FACTS.replace("acme:", "acme:\n    settings: {require_mfa: true}")
    for one in there.each():
        assert (await one).outcome.revision == there.revision()
    digest = here.core.packs.get("notes").pack.digest
    second = {"resources": ["n3"], "subjects": ["cem"], "actions": ["sign"]}
    for kind, ask in {
        "resources": lambda lists, **more: lists.resources(page_size=1, **more),
        "subjects": lambda lists, **more: lists.subjects(page_size=1, **more),
        "actions": lambda lists, **more: lists.actions(page_size=1, **more),
    }.items():
        before = await written(here, FACTS)
        assert (await ask(there, consistency=pb.Consistency(at_least_as_fresh=before))).outcome.revision == before
        changed = await written(here, CHANGED if kind != "actions" else everything)
        first = await ask(here)
        assert (first.outcome.revision, first.outcome.policy_digest) == (changed, digest)
        assert remembered(there) == before
        page = await ask(there, page_token=first.next_page_token)
        assert (found(page), page.outcome.revision, page.outcome.policy_digest) == (second[kind], changed, digest)


async def test_past_the_bound_there_is_no_list(pair, monkeypatch):
    """Facts older than the bound give UNAVAILABLE with their age, and no list, however short."""
    _, there = pair
    follower = there.core.follower
    monkeypatch.setattr(follower, "_clock", lambda: follower.view_time + 60.5)
    for one in there.each():
        error = await failure(one)
        assert (error.code, error.info.reason) == (grpc.StatusCode.UNAVAILABLE, "TOO_STALE")
        assert error.info.metadata["staleness_seconds"] == "60.500"
    monkeypatch.undo()
    assert [found(await one) for one in there.each()] == [["n1", "n2", "n3"], ["ann", "bob"], BEFORE["actions"]]


@pytest.mark.parametrize("way", ["cut", "silence"])
async def test_without_the_database_no_list_is_empty(postgres, tmp_path, way):
    """Lists that read the store end UNAVAILABLE in time; lists of actions come from memory within the bound."""
    real, link_path = (directory / ".s.PGSQL.5432" for directory in (postgres.directory, tmp_path))
    async with postgres.database() as address, faulty_link(real, link_path) as link:
        through = address.replace(quote(str(postgres.directory), safe=""), quote(str(tmp_path), safe=""))
        async with running(tmp_path, database=through) as lists:
            whole = [found(await one) for one in lists.each()]
            assert all(whole)
            getattr(link, way)()
            for ask in (lists.resources, lists.subjects):
                assert (await refusal(ask)).code is grpc.StatusCode.UNAVAILABLE
            assert found(await lists.actions()) == whole[2]
            fresh = pb.Consistency(fully_consistent=True)
            assert (await refusal(lambda **more: lists.actions(consistency=fresh, **more))).info.reason == "TOO_STALE"
            link.mend()
            await until(lambda: _answers(lists, whole))


async def refusal(ask: Callable[..., Any]) -> Failure:
    """Ask, and return how that failed; again where the caller's clock was quicker than the server's answer."""
    while True:
        try:
            return await failure(ask(timeout=2))
        except AssertionError:  # the client's own deadline carries no details
            pass


async def _answers(lists: Lists, whole: list[list[str]]) -> bool:
    """Return whether lists are answered again; none may differ from what it was."""
    try:
        again = [found(await one) for one in lists.each()]
    except grpc.aio.AioRpcError:
        return False
    assert again == whole
    return True
