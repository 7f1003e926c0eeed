"""A batch: the questions of a tenant are decided from one revision, and cold resources are read in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from sidegate.decision.evaluate import ATTEMPTS
from sidegate.errors import InvalidInput, LostRevision, StoreUnavailable, TooStale
from sidegate.model.decision import Decision
from sidegate.model.question import Consistency, Request, Requirement, Resource, Subject
from sidegate.model.reference import split_ref
from sidegate.model.revision import Revision
from support.decisions.caching import caching, caching_pack
from support.decisions.deciding import apply
from support.decisions.shared_cache import Counted, DictCache

DOCUMENTS = 50
OPEN = '{status: open, readers: ["member:vic"]}'
FACTS = """
tenants:
  acme:
    members:
      ada: {roles: [admin]}
      uma: {quota: 1}
      vic: {quota: 1}
      pia: {status: pending}
    resources:
      folder:f1: {owner: uma}
""" + "".join(
    f"""      note:n{n}: {{parents: [folder:f1], owner: uma, properties: {OPEN}}}\n""" for n in range(DOCUMENTS)
)
REVOKED = FACTS.replace('["member:vic"]', "[]")
ZETA = "tenants: {zeta: {members: {uma: {quota: 1}}, resources: {note:n1: {owner: uma}}}}"


def asked(question: str, *, tenant: str = "acme", consistency: Consistency | None = None, **claims: Any) -> Request:
    subject, action, resource = question.split()
    request = Request(tenant, Subject(subject), action, Resource(*split_ref(resource)), claims)
    return request if consistency is None else replace(request, consistency=consistency)


EDITS = [asked(f"vic edit note:n{n}") for n in range(DOCUMENTS)]


@pytest.fixture
async def start(tmp_path):
    """Start sidecars on one database, which may share a cache."""
    pack = caching_pack(tmp_path / "small")
    async with AsyncExitStack() as stack:

        async def started(**more: object):
            core = caching(tmp_path / "facts.db", policies=str(pack), default_pack="small", **more)
            return await stack.enter_async_context(core)

        await apply(await started(cache="off"), FACTS)
        yield started


class Reads:
    """Counts the reads of a store, and runs something after each read of many resources."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, core: Any) -> None:
        self.names: list[str] = []
        self.after: Callable[[], Awaitable[object]] | None = None
        for name in ("load_resource", "load_resources", "load_core"):
            monkeypatch.setattr(core.store, name, self._counting(name, getattr(core.store, name)))

    def _counting(self, name: str, read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counting(*arguments: Any) -> Any:
            self.names.append(name)
            if name == "load_resources" and self.after is not None:
                await self.after()
            return await read(*arguments)

        return counting


@pytest.mark.parametrize("cache", [{"cache": "off"}, {}, {"cache": "always", "shared": DictCache()}])
async def test_cold_documents_are_read_in_one_call(start, monkeypatch, cache):
    """Fifty documents that memory lacks, with the folder that they share, cost one read; asked again, none."""
    core = await start(**cache)
    await core.snapshots.tenant("acme")
    reads = Reads(monkeypatch, core)
    first = await core.batches.decide(EDITS)
    assert all(one.allowed for one in first)
    assert reads.names == ["load_resources"]
    assert await core.batches.decide(EDITS) == first
    assert reads.names == ["load_resources"]


async def test_each_tenant_is_read_once(start, monkeypatch):
    """Tenants of one batch cost one read of resources each, and each has a revision of its own."""
    core = await start()
    await apply(core, ZETA)
    reads = Reads(monkeypatch, core)
    batch = [asked(f"uma edit note:n{n % 2}", tenant=tenant) for n in range(4) for tenant in ("acme", "zeta", "none")]
    outcomes = await core.batches.decide(batch)
    assert sorted(reads.names) == ["load_core"] * 3 + ["load_resources"] * 2
    reasons = {(request.tenant, one.reason) for request, one in zip(batch, outcomes, strict=True)}
    assert ("none", "tenant_unknown") in reasons
    assert len({one.revision for request, one in zip(batch, outcomes, strict=True) if request.tenant == "zeta"}) == 1


@pytest.mark.parametrize("cache", [{"cache": "off"}, {}, {"cache": "always", "shared": DictCache()}])
async def test_a_batch_answers_as_single_checks_do(start, cache):
    """Whatever is asked, also twice and with other claims, each outcome is that of the same question asked alone."""
    core, alone = await start(**cache), await start(cache="off")
    names, actions, notes = (
        ("ada", "uma", "vic", "pia", "zed"),
        ("view", "edit", "fly"),
        ("note:n1", "note:none", "x:y"),
    )
    claims: list[dict[str, Any]] = [{}, {"ip": "inside"}, {"ip": "outside"}, {"ip": 7}, {"unknown": "inside"}]
    batch = [asked(" ".join(one[:3]), **one[3]) for one in product(names, actions, notes, claims)]
    batch += [asked("uma view note:*"), asked("uma view folder:f1")]

    async def outcome(request: Request) -> object:
        try:
            return await alone.decider.decide(request)
        except InvalidInput as error:
            return str(error)

    expected = [await outcome(request) for request in batch]
    for _ in range(2):
        made = await core.batches.decide(batch)
        assert [str(one) if isinstance(one, Exception) else one for one in made] == expected


async def test_a_batch_is_never_of_two_revisions(start, monkeypatch):
    """A write between what the cache holds and what has to be read: all is decided again at the new revision."""
    core = await start(shared=None)
    known = EDITS[:10]
    assert all(one.allowed for one in await core.batches.decide(known))
    reads = Reads(monkeypatch, core)

    async def revoke() -> None:
        reads.after = None
        await apply(core, REVOKED)

    reads.after = revoke
    outcomes = await core.batches.decide([*known, *EDITS])
    assert {(one.allowed, one.revision.number) for one in outcomes} == {(False, 2)}


async def test_facts_that_change_faster_than_they_are_read_are_an_error_of_all(start, monkeypatch):
    """After a bounded number of reads the whole batch is undecided; no part of it is answered."""
    core = await start(shared=None)
    await core.batches.decide(EDITS[:10])
    reads = Reads(monkeypatch, core)
    texts = [FACTS, REVOKED]

    async def change() -> None:
        texts.reverse()
        await apply(core, texts[0])

    reads.after = change
    outcomes = await core.batches.decide(EDITS)
    assert {type(one) for one in outcomes} == {TooStale}
    assert reads.names.count("load_resources") == ATTEMPTS


async def test_a_store_that_fails_fails_the_tenant_alone(start, monkeypatch):
    """What is in memory of another tenant is answered."""
    core = await start(shared=None)
    await apply(core, ZETA)
    zeta = asked("uma edit note:n1", tenant="zeta")
    (before,) = await core.batches.decide([zeta])

    async def failing(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(core.store, "load_resources", failing)
    outcomes = await core.batches.decide([EDITS[0], zeta, EDITS[1]])
    assert isinstance(outcomes[0], StoreUnavailable)
    assert isinstance(outcomes[2], StoreUnavailable)
    assert outcomes[1] == before


async def test_questions_share_the_strictest_consistency_and_an_impossible_one_fails_alone(start):
    """A batch holds one question with a token of the newest revision: all are decided from there, in one sidecar."""
    core, other = await start(cache="off"), await start(cache="off")
    assert (await core.batches.decide(EDITS[:1]))[0].allowed
    revision = (await apply(other, REVOKED))["acme"]
    fresh = Consistency(Requirement.AT_LEAST_AS_FRESH, revision=revision)
    lost = Consistency(Requirement.AT_LEAST_AS_FRESH, revision=Revision(revision.number, revision.time + 1))
    outcomes = await core.batches.decide(
        [EDITS[0], replace(EDITS[0], consistency=fresh), replace(EDITS[0], consistency=lost)]
    )
    assert isinstance(outcomes[2], LostRevision)
    assert [(one.allowed, one.revision) for one in outcomes[:2]] == [(False, revision)] * 2


async def test_each_question_of_a_batch_is_one_hit_miss_or_bypass(start):
    """Counters add up as for single Checks, and what another sidecar decided is read from the shared cache."""
    counted, shared = Counted(), DictCache()
    core, other = await start(cache="always", shared=shared), await start(shared=shared, observer=counted)
    batch = [asked("vic edit note:n1"), asked("vic edit note:n2"), asked("zed edit note:n1"), asked("vic edit note:n1")]
    await core.batches.decide(batch[:1])
    await asyncio.sleep(0)
    await other.snapshots.tenant("acme")
    await other.batches.decide(batch)
    assert sorted(counted.taken()) == ["bypass", "hit_shared", "hit_shared", "miss"]
    await other.batches.decide(batch)
    assert sorted(counted.taken()) == ["bypass", "hit_memory", "hit_memory", "hit_memory"]


async def test_a_cold_tenant_is_answered_from_the_shared_cache(start, monkeypatch):
    """A batch of which another sidecar decided all is answered from its revision, before the tenant is loaded."""
    shared = DictCache()
    core, other = await start(shared=shared), await start(shared=shared)
    first = await core.batches.decide(EDITS)
    await asyncio.sleep(0)
    reads = Reads(monkeypatch, other)
    assert await other.batches.decide(EDITS) == first
    assert "load_resources" not in reads.names


async def test_an_empty_batch_has_no_outcomes(start):
    """Nothing asked, nothing answered."""
    core = await start()
    assert await core.batches.decide([]) == []


async def test_every_question_is_measured(start):
    """Each question of a batch is one record: allowed, denied, or an error with its reason."""
    core = await start()
    seen: list[tuple[str, str]] = []
    core.batches._observe = lambda one: seen.append((one.outcome, one.reason))
    await core.batches.decide([EDITS[0], asked("zed edit note:n1"), asked("uma view note:n1", ip=7)])
    assert seen == [("allow", "allowed_by_rule"), ("deny", "not_a_member"), ("error", "INVALID_INPUT")]
    assert isinstance((await core.batches.decide(EDITS[:1]))[0], Decision)
