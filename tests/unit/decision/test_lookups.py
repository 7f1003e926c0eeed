"""A Check looks each thing up once, and never decides from what was looked up before a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest

from sidegate import bootstrap
from sidegate.decision import cache, evaluate
from sidegate.decision.evaluate import Evaluator
from sidegate.decision.known import Examined
from sidegate.decision.search.search import ListQuery
from sidegate.model.change import Change, EntryKind
from sidegate.model.decision import Decision
from sidegate.model.question import Consistency, Request, Requirement, Resource, Subject
from sidegate.replica.snapshots import Snapshots
from support.decisions.caching import caching
from support.decisions.deciding import apply, ask
from support.decisions.shared_cache import DictCache

FACTS = """
tenants:
  acme:
    members:
      olivia: {roles: [owner]}
      vic: {}
    resources:
      document:d1: {owner: olivia}
    grants:
      - {role: viewer, on: document:d1, to: member:vic}
"""
REVOKED = FACTS[: FACTS.index("    grants:")]
REMOVED = REVOKED.replace("      vic: {}\n", "")
SUSPENDED = FACTS.replace("acme:", "acme:\n    suspended: true")
QUESTION = "vic view document:d1"
REQUEST = Request("acme", Subject("vic"), "view", Resource("document", "d1"))


class Lookups:
    """Records which lookups a chain asks of its snapshots, and how often it asks why a request is refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, snapshots: Snapshots) -> None:
        self.seen: list[str] = []
        self._inner = 0
        for name in ("tenant", "tenant_head", "resource"):
            monkeypatch.setattr(snapshots, name, self._awaited(name, getattr(snapshots, name)))
        for name in ("known_head", "resource_in_memory"):
            monkeypatch.setattr(snapshots, name, self._called(name, getattr(snapshots, name)))
        monkeypatch.setattr(snapshots, "is_current", self._called("", snapshots.is_current))
        refusal = self._called("refusal", evaluate.refusal)
        for module in (cache, evaluate):
            monkeypatch.setattr(module, "refusal", refusal)

    @contextmanager
    def _seen(self, name: str) -> Iterator[None]:
        """Record a lookup, but not those that it makes itself."""
        if name and not self._inner:
            self.seen.append(name)
        self._inner += 1
        try:
            yield
        finally:
            self._inner -= 1

    def _awaited(self, name: str, lookup: Callable[..., Any]) -> Callable[..., Any]:
        async def counting(*arguments: Any) -> Any:
            with self._seen(name):
                return await lookup(*arguments)

        return counting

    def _called(self, name: str, lookup: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any) -> Any:
            with self._seen(name):
                return lookup(*arguments)

        return counting


@pytest.fixture
async def start(tmp_path):
    """Return a function that starts a chain over the facts of this module, with a shared cache where one is given."""
    opened = []

    async def started(**settings: Any) -> bootstrap.Core:
        entered = caching(tmp_path / "facts.db", **settings)
        core = await entered.__aenter__()
        opened.append(entered)
        await apply(core, FACTS)
        return core

    yield started
    for entered in reversed(opened):
        await entered.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("mode", "lookups"),
    [
        ("off", ["tenant_head", "refusal", "resource_in_memory"]),
        ("cold", ["tenant_head", "refusal", "resource_in_memory"]),
    ],
)
async def test_a_check_looks_up_tenant_refusal_and_resource_once(start, monkeypatch, mode, lookups):
    """What an outer step found is used by the inner ones, with a cache and without."""
    core = await start(cache=mode)
    await ask(core, "olivia view document:d1")
    counted = Lookups(monkeypatch, core.snapshots)
    assert (await ask(core, QUESTION)).allowed
    assert counted.seen == lookups


@pytest.mark.parametrize("mode", ["off", "cold"])
async def test_a_refused_check_looks_up_tenant_and_refusal_once(start, monkeypatch, mode):
    """A subject that is no member is refused after one lookup of the tenant, and no resource is looked up."""
    core = await start(cache=mode)
    await ask(core, QUESTION)
    counted = Lookups(monkeypatch, core.snapshots)
    assert (await ask(core, "zed view document:d1")).reason == "not_a_member"
    assert counted.seen == ["tenant_head", "refusal"]


async def test_a_remembered_answer_needs_the_tenant_alone(start, monkeypatch):
    """A hit in memory looks up the tenant once, and nothing else."""
    core = await start()
    await ask(core, QUESTION)
    counted = Lookups(monkeypatch, core.snapshots)
    assert (await ask(core, QUESTION)).allowed
    assert counted.seen == ["tenant_head"]


async def test_a_list_looks_up_the_tenant_once(start, monkeypatch):
    """A page is made from the snapshot that was found when its freshness was checked."""
    core = await start()
    await ask(core, QUESTION)
    counted = Lookups(monkeypatch, core.snapshots)
    page = await core.search.actions(ListQuery(REQUEST, "", 10))
    assert [one.id for one in page.found]
    assert counted.seen == ["tenant_head", "resource_in_memory"]


async def deleted(core: bootstrap.Core) -> None:
    """Delete the tenant."""
    change = Change(EntryKind.TENANT, (), {"pack": "", "settings": {}}, None)
    await core.store.write({"acme": [change]}, expected={"acme": 1}, actor="platform")
    await core.follower.catch_up()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda core: apply(core, REVOKED), "no_matching_rule"),
        (lambda core: apply(core, REMOVED), "not_a_member"),
        (lambda core: apply(core, SUSPENDED), "tenant_suspended"),
        (deleted, "tenant_unknown"),
    ],
)
async def test_what_was_found_before_a_change_decides_nothing(start, change, reason):
    """Snapshot, refusal and resource that an outer step found are not used once the tenant has changed."""
    core = await start()
    assert (await ask(core, QUESTION)).allowed
    snapshot = await core.snapshots.tenant("acme")
    resource = core.snapshots.resource_in_memory(snapshot, snapshot.pack.pack.schema.resources["document"], "d1")
    assert resource is not None
    await change(core)
    evaluator = Evaluator(core.snapshots, catch_up=core.follower.catch_up)
    for known in (snapshot, Examined(snapshot, None, resource)):
        decision = await evaluator.decide(REQUEST, known)
        assert (decision.allowed, decision.reason) == (False, reason)


async def test_a_resource_that_was_repaired_meanwhile_is_read_again(start):
    """Facts found before a drift was repaired are not used after, though the revision is the same."""
    core = await start()
    assert (await ask(core, QUESTION)).allowed
    snapshot = await core.snapshots.tenant("acme")
    drifted = await core.snapshots.resource(snapshot, snapshot.pack.pack.schema.resources["document"], "d9")
    core.snapshots.drop_resource("acme", "document:d1")
    evaluator = Evaluator(core.snapshots, catch_up=core.follower.catch_up)
    assert (await evaluator.decide(REQUEST, Examined(snapshot, None, drifted))).allowed


async def revoked_during(
    monkeypatch: pytest.MonkeyPatch, target: Any, method: str, core: bootstrap.Core, **how: Any
) -> Decision:
    """Ask the question, and revoke while a method of the store or the shared cache is called; return the decision."""
    call, called, goes_on = getattr(target, method), asyncio.Event(), asyncio.Event()

    async def delayed(*arguments: Any) -> Any:
        called.set()
        await goes_on.wait()
        return await call(*arguments)

    monkeypatch.setattr(target, method, delayed)
    asking = asyncio.create_task(ask(core, QUESTION, **how))
    await called.wait()
    await apply(core, REVOKED)
    goes_on.set()
    return await asking


async def test_a_change_while_the_history_is_read_is_part_of_the_answer(start, monkeypatch):
    """A token makes the sidecar read the store; a revocation that lands meanwhile denies, whatever is remembered."""
    core = await start()
    first = (await ask(core, QUESTION)).revision
    await apply(core, FACTS.replace("olivia: {roles", "wim: {}\n      olivia: {roles"))
    core.snapshots.invalidate_all()
    assert (await ask(core, QUESTION)).allowed
    fresh = Consistency(Requirement.AT_LEAST_AS_FRESH, first)
    decision = await revoked_during(monkeypatch, core.store, "revision", core, consistency=fresh)
    assert (decision.allowed, decision.revision.number) == (False, 3)


@pytest.mark.parametrize("mode", ["cold", "always"])
async def test_a_change_while_the_shared_cache_is_asked_is_part_of_a_decision(start, monkeypatch, mode):
    """Where the shared cache has no answer, the facts are those of the time when the rules are asked."""
    shared = DictCache()
    core = await start(shared=shared, cache=mode)
    await ask(core, "olivia view document:*")
    decision = await revoked_during(monkeypatch, shared, "get", core)
    assert (decision.allowed, decision.revision.number) == (False, 2)


async def test_a_change_while_the_resource_is_read_starts_the_check_again(start, monkeypatch):
    """A resource of a later revision than the snapshot's is not decided about; all is looked up again."""
    core = await start()
    await ask(core, "olivia view document:*")
    decision = await revoked_during(monkeypatch, core.store, "load_resource", core)
    assert (decision.allowed, decision.revision.number) == (False, 2)


async def test_changes_while_a_check_waits_to_read_do_not_make_it_read_again(start, monkeypatch):
    """A Check that waited for its turn is decided from the facts of its turn: one read, however much was written."""
    core = await start()
    await ask(core, "olivia view document:*")
    read, reads = core.store.load_resource, []

    async def counted(*arguments: Any) -> Any:
        reads.append(arguments)
        return await read(*arguments)

    monkeypatch.setattr(core.store, "load_resource", counted)
    slots = core.snapshots.reading_resources
    async with AsyncExitStack() as taken:
        while slots._free:
            await taken.enter_async_context(slots)
        asking = asyncio.create_task(ask(core, QUESTION))
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(slots._waiting) == 1
        for _ in range(5):
            await apply(core, REVOKED)
            await apply(core, FACTS)
        await apply(core, REVOKED)
    decision = await asking
    assert (decision.allowed, decision.revision.number) == (False, 12)
    assert len(reads) == 1
