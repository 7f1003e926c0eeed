"""Packs that change while the server runs: all take effect together, or none."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from sidegate.errors import Unavailable
from sidegate.policy.pack.registry import bundled_packs
from support.decisions.deciding import apply, ask, deciding

FACTS = """
tenants:
  acme: {members: {uma: {roles: [owner]}}}
  globex: {pack: eformsign, members: {rep: {roles: [representative_admin]}}}
"""
QUESTION = "uma invite member:*"
SHUT = "p, *, tenant, member, invite, True, deny, ST-01\n"


@pytest.fixture
def packs(tmp_path) -> Path:
    return Path(shutil.copytree(bundled_packs(), tmp_path / "packs"))


@pytest.fixture
async def core(tmp_path, packs):
    async with deciding(tmp_path / "facts.db", policies=str(packs), poll_interval=59, max_staleness=60) as core:
        await apply(core, FACTS)
        yield core


def shut(packs: Path) -> None:
    """Let nobody invite any more."""
    with (packs / "standard" / "policy.csv").open("a") as policy:
        policy.write(SHUT)


async def test_a_changed_pack_takes_effect_when_it_is_reloaded(core, packs):
    """Before the reload the old rules decide, after it the new ones, and the digest says which."""
    before = await ask(core, QUESTION)
    shut(packs)
    assert (await ask(core, QUESTION)).allowed
    assert await core.reloading.reload()
    after = await ask(core, QUESTION)
    assert (before.allowed, after.allowed) == (True, False)
    assert after.policy_digest == core.packs.get("").pack.digest != before.policy_digest


async def test_a_pack_with_a_fault_leaves_all_as_it_is(core, packs):
    """Where one pack has a fault none of them changes, and the next reload without a fault takes effect."""
    before = await ask(core, QUESTION)
    shut(packs)
    model = packs / "eformsign" / "model.conf"
    text = model.read_text()
    model.write_text("[nonsense]\n")
    assert not await core.reloading.reload()
    assert await ask(core, QUESTION) == before
    model.write_text(text)
    assert await core.reloading.reload()
    assert not (await ask(core, QUESTION)).allowed


async def test_tenants_of_other_packs_stay_in_memory(core, packs):
    """Only what was compiled for a pack that changed is compiled again."""
    assert (await ask(core, "rep view company:*", tenant="globex")).allowed
    assert (await ask(core, QUESTION)).allowed
    held = core.snapshots.peek("globex")
    shut(packs)
    assert await core.reloading.reload()
    assert core.snapshots.peek("globex") is held
    assert core.snapshots.peek("acme") is None


async def test_a_removed_pack_decides_no_more(core, packs):
    """Tenants of a pack that was taken away get no answer, least of all by another pack's rules."""
    assert (await ask(core, "rep view company:*", tenant="globex")).allowed
    shutil.rmtree(packs / "eformsign")
    assert await core.reloading.reload()
    with pytest.raises(Unavailable, match="pack `eformsign`"):
        await ask(core, "rep view company:*", tenant="globex")


async def test_a_load_for_the_old_packs_begins_again(core, packs, monkeypatch):
    """A tenant that was being compiled when the packs changed is never held for the old ones."""
    compile_ = core.snapshots._compile
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(facts, revision):
        compiled = compile_(facts, revision)
        if not begun.is_set():
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return compiled

    monkeypatch.setattr(core.snapshots, "_compile", slowly)
    asking = asyncio.create_task(ask(core, QUESTION))
    await begun.wait()
    shut(packs)
    assert await core.reloading.reload()
    go_on.set()
    assert not (await asking).allowed


async def test_every_answer_belongs_to_one_digest(core, packs):
    """While packs change to and fro under load, each answer is what the pack of its digest says, and none a mixture."""
    policy = packs / "standard" / "policy.csv"
    versions = [policy.read_text(), policy.read_text() + SHUT]
    means = {}
    seen = []
    reloading, answered = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        while not reloading.is_set():
            decision = await ask(core, QUESTION)
            seen.append((decision.policy_digest, decision.allowed))
            answered.set()
            await asyncio.sleep(0)

    readers = [asyncio.create_task(read()) for _ in range(4)]
    for turn in range(6):
        policy.write_text(versions[turn % 2])
        assert await core.reloading.reload()
        digest, before = core.packs.get("").pack.digest, len(seen)
        means[digest] = turn % 2 == 0
        while digest not in {answered_from for answered_from, _ in seen[before:]}:
            answered.clear()
            await answered.wait()
    reloading.set()
    await asyncio.gather(*readers)
    assert {digest for digest, _ in seen} == set(means)
    assert [answer for answer in seen if answer[1] != means[answer[0]]] == []
