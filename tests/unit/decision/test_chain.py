"""The decision chain over a real store."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from sidegate import bootstrap
from sidegate.config.load import load_settings
from sidegate.decision.freshness import Freshness
from sidegate.decision.guard import FreshnessGuard
from sidegate.errors import InvalidInput, LostRevision, NotInTime, StoreUnavailable, TooStale, Unavailable
from sidegate.model.change import Change, EntryKind
from sidegate.model.decision import Decision
from sidegate.model.question import Consistency, Request, Requirement, Resource, Subject
from sidegate.model.revision import Revision
from sidegate.policy.pack.registry import bundled_packs
from sidegate.runtime.clock import elapsed
from support.decisions.deciding import apply, ask, deciding

FACTS = """
tenants:
  acme:
    members:
      olivia: {roles: [owner]}
      uma: {quota: 1}
      vic: {}
    resources:
      document:d1: {owner: uma}
    grants:
      - {role: viewer, on: document:d1, to: member:vic}
"""
WITHOUT_VIC = FACTS[: FACTS.index("    grants:")]


@pytest.fixture
async def core(tmp_path):
    async with deciding(tmp_path / "facts.db", poll_interval=59, max_staleness=60) as core:
        await apply(core, FACTS)
        yield core


async def test_an_allow_names_rule_revision_and_digest(core):
    """An answer says which rule decided, from which facts and which pack."""
    decision = await ask(core, "vic view document:d1")
    assert decision.allowed
    assert decision.reason == "allowed_by_rule"
    assert decision.rule.startswith("ST-")
    assert decision.revision.number == 1
    assert decision.policy_digest == core.packs.get("").pack.digest


@pytest.mark.parametrize(
    ("tenant", "question", "reason"),
    [
        ("nowhere", "uma view document:d1", "tenant_unknown"),
        ("acme", "zed fly spaceship:s1", "not_a_member"),
        ("acme", "uma fly spaceship:s1", "unknown_resource_type"),
        ("acme", "uma fly document:d1", "unknown_action"),
        ("acme", "vic edit document:d1", "no_matching_rule"),
        ("acme", "vic view document:d2", "no_matching_rule"),
    ],
)
async def test_what_is_unknown_is_denied_with_its_reason(core, tenant, question, reason):
    """Unknown tenant, subject, type and action are denied in that order, and never an error."""
    decision = await ask(core, question, tenant=tenant)
    assert (decision.allowed, decision.reason) == (False, reason)


async def test_every_decision_is_measured_an_unknown_tenant_and_a_stale_view_too(tmp_path, monkeypatch):
    """Metrics count a deny for an unknown tenant, and an error for a view that is too old, as any other answer."""
    measured = []
    settings = load_settings({"database": f"sqlite:///{tmp_path}/facts.db", "poll_interval": 59, "max_staleness": 60})
    async with bootstrap.deciding(settings, observe=measured.append) as core:
        await apply(core, FACTS)
        measured.clear()
        await ask(core, "vic view document:d1")
        await ask(core, "vic view document:d1", tenant="nowhere")
        monkeypatch.setattr(core.follower, "_clock", lambda: core.follower.view_time + 60.1)
        with pytest.raises(TooStale):
            await ask(core, "vic view document:d1")
    assert [(one.outcome, one.reason) for one in measured] == [
        ("allow", "allowed_by_rule"),
        ("deny", "tenant_unknown"),
        ("error", "TOO_STALE"),
    ]


async def test_a_write_here_is_effective_when_it_returns(core):
    """After a revocation returned, no Check here allows from before it."""
    assert (await ask(core, "vic view document:d1")).allowed
    await apply(core, WITHOUT_VIC)
    decision = await ask(core, "vic view document:d1")
    assert (decision.allowed, decision.revision.number) == (False, 2)


async def test_another_sidecars_write_is_seen_as_the_consistency_asks(core, tmp_path):
    """minimize_latency may answer from before; the other requirements see what another sidecar wrote."""
    assert (await ask(core, "vic view document:d1")).allowed
    async with deciding(tmp_path / "facts.db") as other:
        revision = (await apply(other, WITHOUT_VIC))["acme"]
    assert (await ask(core, "vic view document:d1")).revision.number == 1
    fresh = Consistency(Requirement.AT_LEAST_AS_FRESH, revision=revision)
    assert not (await ask(core, "vic view document:d1", consistency=fresh)).allowed


@pytest.mark.parametrize("consistency", [Consistency(Requirement.FULLY_CONSISTENT), Consistency(max_staleness=0)])
async def test_a_fully_consistent_check_asks_the_store(core, tmp_path, consistency):
    """fully_consistent, and a staleness that memory can't meet, look at the store first."""
    assert (await ask(core, "vic view document:d1")).allowed
    async with deciding(tmp_path / "facts.db") as other:
        await apply(other, WITHOUT_VIC)
    assert not (await ask(core, "vic view document:d1", consistency=consistency)).allowed


async def test_a_suspension_elsewhere_is_effective_from_its_revision_on(core, tmp_path):
    """ST-24: another sidecar's suspension denies questions that name its revision, and its resumption allows again."""
    assert (await ask(core, "vic view document:d1")).allowed
    async with deciding(tmp_path / "facts.db") as other:
        suspended = (await apply(other, FACTS.replace("acme:", "acme:\n    suspended: true")))["acme"]
        fresh = Consistency(Requirement.AT_LEAST_AS_FRESH, revision=suspended)
        decision = await ask(core, "vic view document:d1", consistency=fresh)
        assert (decision.allowed, decision.reason, decision.rule) == (False, "tenant_suspended", "ST-24")
        resumed = (await apply(other, FACTS))["acme"]
    assert (await ask(core, "vic view document:d1", consistency=replace(fresh, revision=resumed))).allowed


async def test_a_deletion_elsewhere_leaves_an_unknown_tenant(core, tmp_path):
    """A question that names the revision of a deletion gets that there is no such tenant, at the first call."""
    assert (await ask(core, "vic view document:d1")).allowed
    async with deciding(tmp_path / "facts.db") as other:
        deletion = [Change(EntryKind.TENANT, (), {"pack": "", "settings": {}}, None)]
        made = await other.store.write({"acme": deletion}, expected={"acme": 1}, actor="platform")
    fresh = Consistency(Requirement.AT_LEAST_AS_FRESH, revision=made["acme"])
    assert (await ask(core, "vic view document:d1", consistency=fresh)).reason == "tenant_unknown"


async def test_a_revision_from_the_future_is_not_answered(core):
    """A revision that a poll after the question does not find is lost, and nothing older answers."""
    assert (await ask(core, "vic view document:d1")).allowed
    polled_at = core.follower.view_time
    future = Consistency(Requirement.AT_LEAST_AS_FRESH, revision=Revision(99, 2**60))
    with pytest.raises(LostRevision, match="not in the history of tenant `acme`") as raised:
        await ask(core, "vic view document:d1", consistency=future)
    assert raised.value.metadata == {"revisions_behind": "98", "revision": "lost"}
    assert core.follower.view_time > polled_at


async def test_who_is_merely_behind_does_not_call_a_revision_lost(core, tmp_path, monkeypatch):
    """While the store is silent the error says how far behind this sidecar is."""
    assert (await ask(core, "vic view document:d1")).allowed
    async with deciding(tmp_path / "facts.db") as other:
        fresh = Consistency(Requirement.AT_LEAST_AS_FRESH, revision=(await apply(other, WITHOUT_VIC))["acme"])
    answer, goes_on = core.store.feed, asyncio.Event()

    async def silent(sequence, *, limit):
        await goes_on.wait()
        return await answer(sequence, limit=limit)

    monkeypatch.setattr(core.store, "feed", silent)
    with pytest.raises(TooStale, match="1 behind") as raised:
        await ask(core, "vic view document:d1", consistency=fresh, patience=0.1)
    assert raised.value.metadata["revisions_behind"] == "1"
    assert "revision" not in raised.value.metadata
    waiting = asyncio.create_task(ask(core, "vic view document:d1", consistency=fresh))
    await asyncio.sleep(0)
    goes_on.set()
    assert (await waiting).revision == fresh.revision


async def test_an_older_revision_of_this_history_is_answered(core):
    """A token that was overtaken is good, whether its write was followed here or is older than all that was."""
    (first,) = (await apply(core, FACTS)).values()
    (second,) = (await apply(core, WITHOUT_VIC)).values()
    (third,) = (await apply(core, FACTS)).values()
    assert [first.number, second.number, third.number] == [1, 2, 3]
    for _ in ("followed", "asked of the store"):
        for revision in (first, second, third):
            decision = await ask(core, "vic view document:d1", consistency=at_least(revision))
            assert (decision.allowed, decision.revision) == (True, third)
        core.snapshots.invalidate_all()


async def test_a_revision_of_another_history_is_never_answered(core):
    """Of any two states of one number, a token of the one is not answered by the other, nor by what came after that."""
    revisions = [*(await apply(core, FACTS)).values()]
    revisions += (await apply(core, WITHOUT_VIC)).values()
    revisions += (await apply(core, FACTS)).values()
    for _ in ("followed", "asked of the store"):
        for revision, shift in itertools.product(revisions, (-(10**9), -1, 1, 10**9)):
            other = replace(revision, time=revision.time + shift)
            with pytest.raises(LostRevision):
                await ask(core, "vic view document:d1", consistency=at_least(other))
        core.snapshots.invalidate_all()


async def test_a_lost_revision_of_a_deleted_tenant_is_no_answer(core):
    """That a tenant is unknown answers the revisions it had, and no others."""
    (made,) = (await apply(core, FACTS)).values()
    deletion = [Change(EntryKind.TENANT, (), {"pack": "", "settings": {}}, None)]
    await core.store.write({"acme": deletion}, expected={"acme": 1}, actor="platform")
    assert (await ask(core, "vic view document:d1", consistency=at_least(made))).reason == "tenant_unknown"
    with pytest.raises(LostRevision):
        await ask(core, "vic view document:d1", consistency=at_least(replace(made, time=made.time + 1)))


def at_least(revision: Revision) -> Consistency:
    return Consistency(Requirement.AT_LEAST_AS_FRESH, revision)


async def test_a_token_of_a_tenant_that_was_unknown_here_is_answered(core, tmp_path):
    """That a tenant was not there once does not answer who knows a revision of it."""
    assert (await ask(core, "uma view document:d1", tenant="globex")).reason == "tenant_unknown"
    async with deciding(tmp_path / "facts.db") as other:
        revision = (await apply(other, FACTS.replace("acme", "globex")))["globex"]
    made = Consistency(Requirement.AT_LEAST_AS_FRESH, revision)
    assert (await ask(core, "uma view document:d1", tenant="globex", consistency=made)).allowed


@pytest.mark.parametrize(
    "consistency_of",
    [
        lambda _: Consistency(Requirement.FULLY_CONSISTENT),
        at_least,
        lambda _: Consistency(max_staleness=0),
    ],
)
@pytest.mark.parametrize("silent", [True, False])
async def test_a_failing_store_is_waited_for_as_long_as_the_caller_waits(
    core, tmp_path, monkeypatch, consistency_of, silent
):
    """A store that fails or is silent costs the caller's patience, then an error; who waits on is answered."""
    await ask(core, "vic view document:d1")
    async with deciding(tmp_path / "facts.db") as other:
        (revision,) = (await apply(other, WITHOUT_VIC)).values()
    consistency = consistency_of(revision)
    answer = core.store.feed
    recovered = asyncio.Event()

    async def ail(sequence, *, limit):
        if recovered.is_set():
            return await answer(sequence, limit=limit)
        if silent:
            await recovered.wait()
        raise StoreUnavailable("the store does not answer")

    monkeypatch.setattr(core.store, "feed", ail)
    with pytest.raises(TooStale):
        await ask(core, "vic view document:d1", consistency=consistency, patience=0.1)
    waiting = asyncio.create_task(ask(core, "vic view document:d1", consistency=consistency))
    await asyncio.sleep(0)
    monkeypatch.setattr(core.store, "feed", answer)
    recovered.set()
    assert (await waiting).revision == revision


async def test_a_cold_tenant_of_a_silent_store_is_an_error_in_time(core, monkeypatch):
    """A first use ends with the caller's patience, and the next one finds what was loaded meanwhile."""
    load = core.store.load_core
    silence = asyncio.Event()

    async def load_silently(tenant, scopes):
        await silence.wait()
        return await load(tenant, scopes)

    await apply(core, FACTS.replace("acme", "globex"))
    monkeypatch.setattr(core.store, "load_core", load_silently)
    with pytest.raises(StoreUnavailable, match="in time"):
        await ask(core, "uma view document:d1", tenant="globex", patience=0.1)
    silence.set()
    assert (await ask(core, "uma view document:d1", tenant="globex")).allowed


class Stopped:
    """A decider whose process is stopped while it decides, so that its first answer is from long ago."""

    def __init__(self, core):
        self.core = core
        self.stopped_for = 0.0
        self.asked = 0

    def now(self):
        return elapsed() + self.stopped_for

    async def decide(self, _request, _known):
        self.asked += 1
        if self.asked == 1:
            self.stopped_for = 61.0
            await self.core.follower.catch_up()
        return Decision(allowed=self.asked == 1, reason="test")


async def test_an_answer_that_became_too_old_is_not_given(core, monkeypatch):
    """A process that was stopped between question and answer decides again, also where the view is fresh by then."""
    stopped = Stopped(core)
    monkeypatch.setattr(core.follower, "_clock", stopped.now)
    guarded = FreshnessGuard(stopped, Freshness(core.follower, core.snapshots, max_staleness=60))
    request = Request("acme", Subject("vic"), "view", Resource("document", "d1"))
    assert not (await guarded.decide(request)).allowed
    assert stopped.asked == 2


class PolledOrNot:
    """A follower of a store that was polled since a call came, or not, and a step that never decides."""

    def __init__(self, polled):
        self._polled = polled
        self.view_time = 9.0

    def now(self):
        return 10.0

    def staleness(self):
        return 1.0

    async def decide(self, _request, _known):
        if self._polled:
            self.view_time = 10.0
        await asyncio.Event().wait()


@pytest.mark.parametrize(("polled", "error"), [(True, NotInTime), (False, StoreUnavailable)])
async def test_a_call_that_ends_while_the_store_answers_does_not_blame_the_store(core, polled, error):
    """Where the store was polled since the call came, it is not the store that does not answer."""
    follower = PolledOrNot(polled)
    await core.snapshots.tenant("acme")  # so that nothing else is awaited, however busy the machine is
    request = Request("acme", Subject("vic"), "view", Resource("document", "d1"), patience=0.05)
    with pytest.raises(error):
        await Freshness(follower, core.snapshots, max_staleness=60).answered(request, follower.decide)


async def test_past_the_staleness_bound_nobody_is_answered(core, monkeypatch):
    """Facts older than the bound give an error instead of a guess, for known and unknown tenants alike."""
    monkeypatch.setattr(core.follower, "_clock", lambda: core.follower._view_time + 60.1)
    assert not core.ready()
    for tenant in ("acme", "nowhere"):
        with pytest.raises(TooStale, match="the bound is 60"):
            await ask(core, "olivia view document:d1", tenant=tenant)


async def test_a_tenant_on_a_pack_that_is_not_loaded_is_not_decided(tmp_path):
    """Without its own rules a tenant gets no answer, least of all by the default pack's rules."""
    async with deciding(tmp_path / "facts.db") as first:
        await apply(first, FACTS.replace("acme:", "acme:\n    pack: standard"))
    only = bundled_packs() / "eformsign"
    async with deciding(tmp_path / "facts.db", policies=str(only), default_pack="eformsign") as core:
        with pytest.raises(Unavailable, match="pack `standard`"):
            await ask(core, "uma view document:d1")


@pytest.mark.parametrize(
    "claim", [{"owner": "vic"}, {"owner": "member:vic", "roles": ["owner"]}, {"ref": "document:d1", "id": "d1"}]
)
async def test_no_claim_beats_a_stored_fact(core, claim):
    """A request that claims to own what it does not own changes nothing."""
    assert not (await ask(core, "vic edit document:d1", resource=claim, subject=claim, context=claim)).allowed


async def test_stored_quota_decides_whatever_the_request_claims(core):
    """A claimed quota neither gives nor takes."""
    assert (await ask(core, "uma send document:d1", subject={"quota": 0})).allowed
    await apply(core, FACTS.replace("{quota: 1}", "{quota: 0}"))
    decision = await ask(core, "uma send document:d1", subject={"quota": 9}, resource={"quota": 9})
    assert (decision.allowed, decision.reason) == (False, "quota_exhausted")


async def test_every_answer_belongs_to_one_revision(core):
    """While a grant moves to and fro, every answer is the one that its own revision calls for."""
    holder_at = {(await ask(core, "vic view document:d1")).revision: "vic"}

    async def write() -> None:
        for turn in range(12):
            holder = ("olivia", "vic")[turn % 2]
            text = FACTS.replace("member:vic", f"member:{holder}")
            revision = (await apply(core, text))["acme"]
            holder_at[revision] = holder
            while revision not in {answered_from for answered_from, _ in seen}:
                answered.clear()
                await answered.wait()

    seen = []
    answered = asyncio.Event()

    async def read() -> None:
        while not writer.done():
            decision = await ask(core, "vic view document:d1")
            seen.append((decision.revision, decision.allowed))
            answered.set()
            await asyncio.sleep(0)

    writer = asyncio.create_task(write())
    await asyncio.gather(writer, *(read() for _ in range(3)))
    assert {revision for revision, _ in seen} == set(holder_at)
    assert [(r, a) for r, a in seen if a != (holder_at[r] == "vic")] == []


def pack_of(directory: Path, schema: str, rows: str) -> dict[str, str]:
    """Write a pack `own` and return the settings that serve it."""
    pack = directory / "packs" / "own"
    pack.mkdir(parents=True)
    (pack / "model.conf").write_text((bundled_packs() / "standard/model.conf").read_text())
    (pack / "policy.csv").write_text(rows)
    (pack / "pack.yaml").write_text("name: own\ndescription: A pack of this test.\n" + schema)
    return {"policies": str(pack.parent), "default_pack": "own"}


async def test_a_claim_of_the_wrong_type_is_named(tmp_path):
    """A declared request property of another type is refused with its field."""
    settings = pack_of(
        tmp_path,
        "roles: {reader: {on: [tenant]}}\n"
        "context: {ip: {type: string, from: request}}\n"
        "resources: {note: {actions: [read], properties: {level: {type: integer, from: request, default: 9}}}}\n"
        "rules: {CL-01: {text: Low notes are read from here.}}\n",
        'p, *, tenant, note, read, r.obj.level < 3 && r.env.ip == "::1", allow, CL-01\n',
    )
    async with deciding(tmp_path / "facts.db", **settings) as core:
        await apply(core, "tenants: {acme: {members: {uma: {}}}}")
        here = {"ip": "::1"}
        assert (await ask(core, "uma read note:n", resource={"level": 2}, context=here)).allowed
        assert not (await ask(core, "uma read note:n", context=here)).allowed
        assert not (await ask(core, "uma read note:n", resource={"level": 2})).allowed
        with pytest.raises(InvalidInput) as raised:
            await ask(core, "uma read note:n", resource={"level": "2"}, context=here)
        assert [v.field for v in raised.value.violations] == ["resource.properties.level"]


async def test_roles_reach_down_through_every_level(tmp_path):
    """A role on a project decides about a note in a folder of it, and about no other note."""
    settings = pack_of(
        tmp_path,
        "roles: {lead: {on: [project]}, banned: {on: [project]}}\n"
        "resources:\n"
        "  project: {actions: [view]}\n"
        "  folder: {parents: [project], actions: [view]}\n"
        "  note: {parents: [folder], actions: [view]}\n"
        "rules: {PR-01: {text: Leads view all of a project.}, PR-02: {text: Who is banned views nothing of it.}}\n",
        "p, lead, project, *, view, True, allow, PR-01\np, banned, project, *, view, True, deny, PR-02\n",
    )
    facts = """
tenants:
  acme:
    members: {uma: {}, vic: {}}
    groups: {all: {members: [uma, vic]}}
    resources:
      project:p1: {}
      project:p2: {}
      folder:f1: {parents: [project:p1]}
      note:n1: {parents: [folder:f1]}
      note:n2: {}
    grants:
      - {role: lead, on: project:p1, to: group:all}
      - {role: lead, on: project:p2, to: group:all}
      - {role: banned, on: project:p1, to: member:vic}
"""
    async with deciding(tmp_path / "facts.db", **settings) as core:
        await apply(core, facts)
        for question, rule in {
            "uma view note:n1": "PR-01",
            "uma view folder:f1": "PR-01",
            "vic view note:n1": "PR-02",
            "vic view project:p2": "PR-01",
            "uma view note:n2": "",
        }.items():
            assert (await ask(core, question)).rule == rule, question


async def test_no_claim_fills_in_for_a_fact_that_is_not_stored(tmp_path):
    """A property that the pack declares as stored has its default where none is stored, whatever a request claims."""
    settings = pack_of(
        tmp_path,
        "roles: {reader: {on: [tenant]}}\n"
        "resources: {note: {actions: [read], properties: {open: {type: boolean, from: stored}}}}\n"
        "rules: {OP-01: {text: Open notes are read by everyone.}}\n",
        "p, *, tenant, note, read, r.obj.open, allow, OP-01\n",
    )
    facts = """
tenants:
  acme:
    members: {uma: {}}
    resources: {note:shut: {}, note:open: {properties: {open: true}}}
"""
    async with deciding(tmp_path / "facts.db", **settings) as core:
        await apply(core, facts)
        assert not (await ask(core, "uma read note:shut", resource={"open": True})).allowed
        assert not (await ask(core, "uma read note:unregistered", resource={"open": True})).allowed
        assert (await ask(core, "uma read note:open", resource={"open": False})).allowed
