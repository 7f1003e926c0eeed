"""Remembered decisions in the real chain, over a real store."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sidegate.errors import InvalidInput, StoreUnavailable
from sidegate.model.decision import Decision
from sidegate.model.question import Consistency, Requirement
from sidegate.model.revision import NO_REVISION
from support.decisions.caching import caching, caching_pack
from support.decisions.deciding import apply, ask
from support.decisions.shared_cache import Counted, DictCache

FACTS = """
tenants:
  acme:
    members:
      ada: {roles: [admin]}
      uma: {quota: 1}
      vic: {quota: 1}
      pia: {status: pending}
    resources:
      note:n1: {owner: uma, properties: {status: open, readers: ["member:vic"]}}
      note:n2: {owner: uma}
"""
WITHOUT_VIC = FACTS.replace('["member:vic"]', "[]")


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def cache() -> DictCache:
    return DictCache()


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    """Write the facts once, for every test to begin with a copy."""
    directory = tmp_path_factory.mktemp("stored")
    pack = caching_pack(directory / "small")

    async def write() -> None:
        async with caching(directory / "facts.db", policies=str(pack), default_pack="small") as core:
            await apply(core, FACTS)

    asyncio.run(write())
    return directory


@pytest.fixture
async def start(stored, tmp_path, cache):
    """Start sidecars on one database and one shared cache."""
    pack = stored / "small"
    for file in stored.glob("facts.db*"):
        shutil.copy(file, tmp_path)
    async with AsyncExitStack() as stack:

        async def started(**settings):
            given = {"shared": cache, "policies": str(pack), "default_pack": "small"} | settings
            return await stack.enter_async_context(caching(tmp_path / "facts.db", **given))

        yield started


async def test_the_second_answer_comes_from_memory_and_is_the_same(start, counted):
    """A question is decided once, and every field of the answer is kept."""
    core = await start(observer=counted, shared=None)
    first = await ask(core, "vic edit note:n1")
    assert (first.allowed, first.rule, first.revision.number) == (True, "SM-02", 1)
    assert await ask(core, "vic edit note:n1") == first
    assert counted.taken() == ["miss", "hit_memory"]


@pytest.mark.parametrize("mode", ["off", "cold", "always"])
async def test_after_a_revocation_nothing_that_was_remembered_allows(start, mode):
    """A write makes what was decided before unreachable, in memory and in the shared cache."""
    core = await start(cache=mode)
    assert (await ask(core, "vic edit note:n1")).allowed
    await apply(core, WITHOUT_VIC)
    after = await ask(core, "vic edit note:n1")
    assert (after.allowed, after.revision.number) == (False, 2)


@pytest.mark.parametrize("consistency", [Consistency(Requirement.FULLY_CONSISTENT), Consistency(max_staleness=0)])
async def test_a_consistent_question_is_never_answered_from_before(start, consistency):
    """What another sidecar wrote is seen, however often the old answer was given."""
    core, other = await start(cache="always"), await start(cache="always")
    for _ in range(2):
        assert (await ask(core, "vic edit note:n1")).allowed
    revision = (await apply(other, WITHOUT_VIC))["acme"]
    assert not (await ask(core, "vic edit note:n1", consistency=consistency)).allowed
    assert (await ask(core, "vic edit note:n1")).revision == revision


async def test_a_token_is_never_answered_from_before(start):
    """A question that names the revocation's revision is not answered by what was remembered of an older one."""
    core, other = await start(cache="always"), await start(cache="always")
    assert (await ask(core, "vic edit note:n1")).allowed
    fresh = Consistency(Requirement.AT_LEAST_AS_FRESH, revision=(await apply(other, WITHOUT_VIC))["acme"])
    assert (await ask(core, "vic edit note:n1")).allowed  # minimize_latency may be behind
    assert not (await ask(core, "vic edit note:n1", consistency=fresh)).allowed


async def test_errors_are_never_remembered(start, counted, cache):
    """A claim of the wrong type is an error each time, and leaves nothing behind."""
    core = await start(observer=counted, cache="always")
    for _ in range(2):
        with pytest.raises(InvalidInput, match="clearance"):
            await ask(core, "vic view note:n1", subject={"clearance": "high"})
    assert counted.taken() == ["miss", "miss"]
    assert cache.entries == {}


@pytest.mark.parametrize("question", ["zed edit note:n1", "pia edit note:n1", "uma fly note:n1", "uma view ship:s1"])
async def test_what_no_rule_decides_is_not_remembered(start, counted, cache, question):
    """Names that nobody knows cost no memory, push nothing out, and are never asked of the shared cache."""
    core = await start(observer=counted, cache="always")
    for _ in range(2):
        assert not (await ask(core, question)).allowed
    assert "hit_memory" not in counted.taken()
    await asyncio.sleep(0)
    assert cache.entries == {}


@pytest.mark.parametrize(
    "row",
    [
        'p, admin, tenant, desk, open, timeMatch("_", "_"), allow, SM-01\n',
        'p, self, desk, desk, open, r.sub.mfa && timeMatch( "2001-01-01 00:00:00", "_" ), allow, SM-01\n',
    ],
)
async def test_a_pack_that_looks_at_the_clock_is_never_cached(tmp_path, start, counted, cache, row):
    """One rule that depends on the time, and no decision of the pack is remembered."""
    core = await start(observer=counted, cache="always", policies=str(caching_pack(tmp_path / "clocked", row)))
    for _ in range(2):
        assert (await ask(core, "vic edit note:n1")).allowed
    assert counted.taken() == ["bypass", "bypass"]
    assert cache.entries == {}


async def test_in_the_cold_the_shared_cache_spares_the_store(start, cache, monkeypatch):
    """A second sidecar answers from what the first decided, without reading the document."""
    first, second = await start(), await start()
    answer = await ask(first, "vic edit note:n1")
    await second.snapshots.tenant("acme")
    await asyncio.sleep(0)

    async def unread(*_: object) -> None:
        pytest.fail("the store was asked")

    monkeypatch.setattr(second.snapshots._store, "load_resource", unread)
    assert await ask(second, "vic edit note:n1") == answer
    assert len(cache.entries) == 1


@pytest.mark.parametrize(("mode", "asked"), [("cold", 1), ("always", 3)])
async def test_the_mode_says_when_the_shared_cache_is_asked(start, cache, mode, asked):
    """`cold` asks only where tenant or document is not in memory, `always` whenever the decision is not."""
    core = await start(cache=mode)
    await core.snapshots.tenant("acme")
    for question in ("vic edit note:n1", "uma edit note:n1", "uma edit note:n1", "ada view note:*"):
        await ask(core, question)
    assert cache.asked == asked


async def test_a_forged_allow_is_a_miss(start, cache, counted):
    """Writing to the shared cache makes no decisions: what was altered there is decided again."""
    core, other = await start(), await start(observer=counted)
    allowed = await ask(core, "vic edit note:n1")
    await asyncio.sleep(0)
    ((name, value),) = cache.entries.items()
    cache.entries[name] = value.replace(b"true", b"null")
    assert await ask(other, "vic edit note:n1") == allowed
    assert counted.taken() == ["rejected", "miss"]
    denied = await ask(core, "vic view note:n1")
    assert not denied.allowed
    await asyncio.sleep(0)
    for forged in cache.entries:
        cache.entries[forged] = value
    assert await ask(other, "vic view note:n2") == replace(denied, rule="")


@pytest.fixture
def held_back(monkeypatch):
    """Hold back the loads of tenants until a test sets the event; their heads are read."""

    def hold(core) -> asyncio.Event:
        store, goes_on = core.snapshots._store, asyncio.Event()
        load = store.load_core

        async def delayed(*arguments: object) -> object:
            await goes_on.wait()
            return await load(*arguments)

        monkeypatch.setattr(store, "load_core", delayed)
        return goes_on

    return hold


async def decided_elsewhere(start, *questions: str) -> list[Decision]:
    """Return what a sidecar decides that then goes away; the shared cache keeps it."""
    first = await start()
    decisions = [await ask(first, question) for question in questions]
    await asyncio.sleep(0)
    return decisions


async def test_a_cold_tenant_is_answered_from_the_shared_cache_before_it_is_read(start, held_back, counted):
    """One row holds the tenant's revision; what was decided at it is answered while the tenant is loaded."""
    first_answers = await decided_elsewhere(start, "vic edit note:n1", "vic view note:n1")
    core = await start(observer=counted)
    goes_on = held_back(core)
    assert [await ask(core, "vic edit note:n1"), await ask(core, "vic view note:n1")] == first_answers
    assert await ask(core, "vic edit note:n1") == first_answers[0]
    assert counted.taken() == ["hit_shared", "hit_shared", "hit_memory"]
    unread = asyncio.create_task(ask(core, "uma edit note:n1"))
    goes_on.set()
    assert (await unread).allowed
    assert core.snapshots.peek("acme") is not None


@pytest.mark.parametrize("requirement", Requirement)
async def test_a_write_that_was_seen_ends_what_a_cold_tenant_was_answered_from(start, held_back, requirement):
    """While the tenant is still being read, a revocation in the feed makes the row that was read before worthless."""
    other = await start()
    assert (await ask(other, "vic edit note:n1")).allowed
    await asyncio.sleep(0)
    core = await start()
    goes_on = held_back(core)
    assert (await ask(core, "vic edit note:n1")).allowed
    assert core.snapshots.peek("acme") is None
    (revision,) = (await apply(other, WITHOUT_VIC)).values()
    consistency = Consistency(requirement, revision if requirement is Requirement.AT_LEAST_AS_FRESH else NO_REVISION)
    await core.follower.catch_up()
    after = asyncio.create_task(ask(core, "vic edit note:n1", consistency=consistency))
    for _ in range(100):  # as long as an answer from the cache takes
        await asyncio.sleep(0)
    assert not after.done()
    goes_on.set()
    assert ((await after).allowed, (await after).revision.number) == (False, 2)


async def test_a_store_that_was_restored_ends_what_a_cold_tenant_was_answered_from(start, held_back):
    """Once everything is to be forgotten, that is so of the row that was read before, too."""
    await decided_elsewhere(start, "vic edit note:n1")
    core = await start()
    goes_on = held_back(core)
    assert (await ask(core, "vic edit note:n1")).allowed
    core.snapshots.invalidate_all()
    after = asyncio.create_task(ask(core, "vic edit note:n1"))
    for _ in range(100):  # as long as an answer from the cache takes
        await asyncio.sleep(0)
    assert not after.done()
    goes_on.set()
    assert (await after).allowed


async def test_packs_that_change_end_what_a_cold_tenant_was_answered_from(stored, tmp_path, start, held_back):
    """While the tenant is still being read its pack is exchanged; nobody is answered by the rules of before."""
    await decided_elsewhere(start, "vic edit note:n1")
    pack = shutil.copytree(stored / "small", tmp_path / "small")
    core = await start(policies=str(pack))
    goes_on = held_back(core)
    assert (await ask(core, "vic edit note:n1")).allowed
    rows = pack / "policy.csv"
    rows.write_text(rows.read_text().replace("r.sub.ref in r.obj.readers", "False"))
    core.packs.swap(core.packs.load())
    core.snapshots.drop_outdated_packs()
    after = asyncio.create_task(ask(core, "vic edit note:n1"))
    for _ in range(100):  # as long as an answer from the cache takes
        await asyncio.sleep(0)
    assert not after.done()
    goes_on.set()
    assert not (await after).allowed


@pytest.mark.parametrize("first", ["inside", "elsewhere"])
async def test_a_pack_that_changes_during_a_decision_reads_the_claims_of_each_question(
    stored, tmp_path, start, cache, first
):
    """A claim that the old pack does not declare and the new one does is read for each question that waited."""
    pack = shutil.copytree(stored / "small", tmp_path / "small")
    core = await start(policies=str(pack))
    await ask(core, "ada view note:*")
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def delayed(_: bytes) -> bytes | None:
        asked.set()
        await goes_on.wait()
        return None

    cache.get = delayed
    zones = [first, *({"inside", "elsewhere"} - {first})]
    asking = [asyncio.create_task(ask(core, "vic view note:n1", context={"zone": zone})) for zone in zones]
    await asked.wait()
    (schema := pack / "pack.yaml").write_text(
        schema.read_text().replace("{ip: {type: string}", "{zone: {type: string, default: inside}, ip: {type: string}")
    )
    with (pack / "policy.csv").open("a") as rows:
        rows.write('p, *, tenant, note, view, r.env.zone == "inside", allow, SM-02\n')
    core.packs.swap(core.packs.load())
    core.snapshots.drop_outdated_packs()
    goes_on.set()
    answers = dict(zip(zones, await asyncio.gather(*asking), strict=True))
    assert {zone: answer.allowed for zone, answer in answers.items()} == {"inside": True, "elsewhere": False}


async def test_many_who_ask_a_cold_tenant_cost_one_row_and_one_reading(start, monkeypatch, cache):
    """However many ask, and whatever they ask, the tenant is read once; an unknown one is remembered as such."""
    core = await start()
    store, calls = core.snapshots._store, []
    for name in ("tenant_head", "load_core"):
        read = getattr(store, name)

        async def counting(*arguments: object, read=read, name=name) -> object:
            calls.append(name)
            return await read(*arguments)

        monkeypatch.setattr(store, name, counting)
    questions = [f"{name} {action} note:n1" for name in ("uma", "vic", "zed", "pia") for action in ("view", "edit")]
    await asyncio.gather(*(ask(core, question) for question in questions * 5))
    assert sorted(calls) == ["load_core", "tenant_head"]
    await asyncio.gather(*(ask(core, "uma view note:n1", tenant="nowhere") for _ in range(5)))
    await ask(core, "uma view note:n1", tenant="nowhere")
    assert sorted(calls) == ["load_core", "load_core", "tenant_head", "tenant_head"]
    await asyncio.sleep(0)
    assert len(cache.entries) == 4  # of those who are active members


class Slow:
    """A store's reading of resources that waits until a test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: object) -> None:
        self._load = store.load_resource
        self.reads = 0
        self.failure: Exception | None = None
        self.goes_on = asyncio.Event()
        self.begun = asyncio.Event()
        monkeypatch.setattr(store, "load_resource", self)

    async def __call__(self, *arguments: str) -> object:
        self.reads += 1
        self.begun.set()
        await self.goes_on.wait()
        if self.failure:
            raise self.failure
        return await self._load(*arguments)


async def test_a_cold_question_is_decided_once_however_many_ask(start, counted, monkeypatch):
    """All who ask the same meanwhile get the one answer, also where the first to ask goes away."""
    core = await start(observer=counted, shared=None)
    await ask(core, "ada view note:*")
    counted.taken()
    slow = Slow(monkeypatch, core.snapshots._store)
    asking = [asyncio.create_task(ask(core, "vic edit note:n1")) for _ in range(5)]
    await slow.begun.wait()
    asking[0].cancel()
    slow.goes_on.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(isinstance(answer, Decision) and answer.allowed for answer in answers[1:])
    assert (slow.reads, sorted(counted.taken())) == (1, ["join"] * 4 + ["miss"])


async def test_all_who_wait_get_the_error_and_the_next_tries_again(start, monkeypatch):
    """A store that fails fails everyone who waited, and nobody later."""
    core = await start(shared=None)
    await ask(core, "ada view note:*")
    slow = Slow(monkeypatch, core.snapshots._store)
    slow.failure = StoreUnavailable("away")
    asking = [asyncio.create_task(ask(core, "vic edit note:n1")) for _ in range(3)]
    await slow.begun.wait()
    slow.goes_on.set()
    assert all(isinstance(each, StoreUnavailable) for each in await asyncio.gather(*asking, return_exceptions=True))
    slow.failure = None
    assert (await ask(core, "vic edit note:n1")).allowed


async def test_a_write_while_the_shared_cache_is_asked_is_seen_by_the_next(start, cache, monkeypatch):
    """Who asked before the write may get the answer from before; what is kept of it answers nobody after."""
    core, other = await start(), await start()
    await ask(core, "vic edit note:n1")
    await other.snapshots.tenant("acme")
    await asyncio.sleep(0)
    get, asked, goes_on = cache.get, asyncio.Event(), asyncio.Event()

    async def delayed(key: bytes) -> bytes | None:
        asked.set()
        await goes_on.wait()
        return await get(key)

    monkeypatch.setattr(cache, "get", delayed)
    before = asyncio.create_task(ask(other, "vic edit note:n1"))
    await asked.wait()
    await apply(other, WITHOUT_VIC)
    goes_on.set()
    assert (await before).revision.number == 1
    after = await ask(other, "vic edit note:n1")
    assert (after.allowed, after.revision.number) == (False, 2)


async def test_a_tenant_that_is_loaded_again_finds_nothing_from_before(start, counted):
    """Memory that was dropped, as after a restored backup, takes along what was decided from it."""
    core = await start(observer=counted, shared=None)
    first = await ask(core, "vic edit note:n1")
    core.snapshots.invalidate_all()
    assert await ask(core, "vic edit note:n1") == first
    assert "hit_memory" not in counted.taken()


async def test_a_resource_that_had_drifted_takes_along_what_was_decided_from_it(start, counted):
    """What is in memory is not what the store holds: once that is noticed, nothing remembers it."""
    core = await start(observer=counted, shared=None)
    assert (await ask(core, "vic edit note:n1")).allowed
    held = core.snapshots._resources
    held.replace(("acme", "note:n1"), replace(held.peek(("acme", "note:n1")), properties={"status": "shut"}))
    core.snapshots.drop_resource("acme", "note:n1")
    counted.taken()
    await ask(core, "vic edit note:n1")
    assert counted.taken() == ["miss"]


async def test_undeclared_claims_share_one_entry_and_leave_nothing_behind(start, counted, cache):
    """Whatever a caller claims that no rule can read, the question is the same: one entry, in memory and shared."""
    core = await start(observer=counted, cache="always")
    await core.snapshots.tenant("acme")
    first = await ask(core, "vic view note:n1", context={"ip": "inside"})
    for number in range(5):
        undeclared = {f"x{number}": "y" * 5_000, "clearence": number}
        again = await ask(
            core, "vic view note:n1", context={**undeclared, "ip": "inside"}, subject=undeclared, resource=undeclared
        )
        assert again == first
    assert counted.taken() == ["miss"] + ["hit_memory"] * 5
    await asyncio.sleep(0)
    assert len(cache.entries) == 1


async def test_no_more_than_so_many_decisions_outlive_their_callers(start, monkeypatch):
    """Callers that leave while the store is slow leave a bounded number of decisions behind, without their claims."""
    monkeypatch.setattr("sidegate.decision.cache.MAX_FLIGHTS", 3)
    core = await start(shared=None)
    await ask(core, "ada view note:*")
    slow = Slow(monkeypatch, core.snapshots._store)
    undeclared = {"x": "y" * 100}
    asking = [
        asyncio.create_task(ask(core, f"vic edit note:n{number}", context=undeclared | {"ip": "inside"}))
        for number in range(1, 9)
    ]
    await slow.begun.wait()
    cache = core.decider._delegate._delegate
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    left = [*cache._flights.values()]
    assert len(left) == 3
    assert {str(task.get_coro().cr_frame.f_locals["request"].context) for task in left} == {"{'ip': 'inside'}"}
    slow.goes_on.set()
    await asyncio.gather(*left)
    assert not cache._flights
