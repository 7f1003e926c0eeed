"""Mistakes in cache keys that other authorization engines had in 2026, replayed against remembered decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidegate import bootstrap
from sidegate.decision.search.search import ListQuery
from sidegate.model.question import Request, Resource, Subject
from support.decisions.caching import caching, caching_pack
from support.decisions.deciding import apply

FACTS = """
tenants:
  acme:
    members: {vic: {quota: 1}, uma: {quota: 1}}
    resources: {note:n1: {owner: uma}}
"""
INSIDE, OUTSIDE = {"ip": "inside"}, {"ip": "outside"}


def viewing(context: dict[str, object]) -> Request:
    return Request("acme", Subject("vic"), "view", Resource("note", "n1"), context)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[bootstrap.Core]:
    """A chain with a cache, over a pack that allows viewing from inside."""
    pack = caching_pack(tmp_path / "small", 'p, *, tenant, note, view, "a" in r.env.tags, allow, SM-01\n')
    (schema,) = pack.rglob("pack.yaml")
    schema.write_text(schema.read_text().replace("{ip: ", "{tags: {type: list}, ip: "))
    async with caching(tmp_path / "facts.db", policies=str(pack), default_pack="small") as made:
        await apply(made, FACTS)
        yield made


async def allowed(core: bootstrap.Core, context: dict[str, object]) -> bool:
    return (await core.decider.decide(viewing(context))).allowed


async def test_one_tuple_asked_with_several_contexts_in_a_batch(core: bootstrap.Core) -> None:
    """CVE-2026-34972: items of a batch that differ in their context alone were given one answer."""
    contexts = [INSIDE, OUTSIDE, {}, INSIDE, OUTSIDE]
    for _ in range(2):
        outcomes = await core.batches.decide([viewing(context) for context in contexts])
        assert [one.allowed for one in outcomes] == [True, False, False, True, False]


async def test_lists_that_differ_in_their_structure(core: bootstrap.Core) -> None:
    """CVE-2026-46668: contexts of nested lists shared a key; here lists whose joined items are the same."""
    for tags, expected in ((["a", "b"], True), (["a,b"], False), (["ab"], False), (["b"], False), ([], False)):
        assert await allowed(core, {"tags": tags}) is expected
    assert await allowed(core, {"tags": ["b"], "ip": "inside"})


async def test_what_a_caller_adds_is_not_taken_for_what_it_leaves_out(core: bootstrap.Core) -> None:
    """CVE-2026-33729 and others: a key without all inputs. A declared claim counts, and its name elsewhere does not."""
    assert not await allowed(core, {})
    assert await allowed(core, INSIDE)
    elsewhere = Request("acme", Subject("vic", properties=INSIDE), "view", Resource("note", "n1", INSIDE))
    assert not (await core.decider.decide(elsewhere)).allowed
    assert not await allowed(core, {"ip ": "inside", "IP": "inside", "x": INSIDE})


async def test_a_list_beside_checks_leaves_them_their_own_answers(core: bootstrap.Core) -> None:
    """CVE-2026-55866: a list and a Check shared an entry although one of them had other claims."""

    async def listed(context: dict[str, object]) -> list[str]:
        question = Request("acme", Subject("vic"), "view", Resource("note", ""), context)
        return [one.id for one in (await core.search.resources(ListQuery(question, "", 10))).found]

    for _ in range(3):
        inside, outside, *checked = await asyncio.gather(
            listed(INSIDE), listed(OUTSIDE), *(allowed(core, context) for context in (OUTSIDE, INSIDE, {}) * 5)
        )
        assert (inside, outside) == (["n1"], [])
        assert checked == [False, True, False] * 5


async def test_one_way_to_an_allow_is_not_remembered_for_another(core: bootstrap.Core) -> None:
    """CVE-2026-24851: who was allowed as everybody was allowed as a holder. Here the holder's rights are her own."""
    owner = Request("acme", Subject("uma"), "view", Resource("note", "n1"), OUTSIDE)
    for _ in range(2):
        assert (await core.decider.decide(owner)).allowed
        assert await allowed(core, INSIDE)
        assert not await allowed(core, OUTSIDE)
    await apply(core, FACTS.replace("{owner: uma}", "{owner: vic}"))
    assert not (await core.decider.decide(owner)).allowed
    assert await allowed(core, OUTSIDE)
