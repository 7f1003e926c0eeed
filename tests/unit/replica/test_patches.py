"""A snapshot that followed changes decides as one that was loaded again."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from sidegate.decision.evaluate import Evaluator
from sidegate.engine import ENGINES
from sidegate.facts.diff import difference
from sidegate.facts.fixed import FixedFacts
from sidegate.model.change import RecordedChange
from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.question import Request, Resource, Subject
from sidegate.model.revision import NO_REVISION, Revision
from sidegate.policy.pack.registry import PackRegistry, bundled_packs
from sidegate.replica.snapshots import Snapshots

PACKS = PackRegistry(ENGINES["indexed"], bundled_packs(), "standard")
MEMBERS, GROUPS = ("a", "b", "c"), ("g", "h")
HOLDERS = st.sampled_from(["member:a", "member:b", "group:g", "group:h"])
QUESTIONS = [
    Request("acme", Subject(member), action, Resource(*resource.split(":")))
    for member in (*MEMBERS, "z")
    for action, resource in (
        ("view", "document:1"),
        ("send", "document:1"),
        ("edit", "document:2"),
        ("download_pdf", "document:2"),
        ("create_document", "template:t"),
        ("invite", "member:*"),
        ("open", "workspace:a"),
        ("view", "document:3"),
    )
]


@st.composite
def facts(draw: st.DrawFn) -> TenantFacts:
    """Draw a tenant of few names on the standard pack, so that two draws have much in common."""
    member = st.builds(
        Member,
        st.just(""),
        st.sampled_from(MemberStatus),
        mfa=st.booleans(),
        quota=st.sampled_from([None, 0, 2]),
    )
    members = {id_: Member(id_, m.status, mfa=m.mfa, quota=m.quota) for id_ in MEMBERS for m in [draw(member)]}
    inside = {"g": HOLDERS.filter(lambda h: h.startswith("member")), "h": HOLDERS.filter(lambda h: h != "group:h")}
    groups = {id_: Group(id_, members=draw(st.frozensets(inside[id_]))) for id_ in GROUPS}
    kept = {"template:t": StoredResource("template", "t")}
    for id_ in draw(st.sets(st.sampled_from("12"))):
        parents = draw(st.sampled_from([frozenset[str](), frozenset({"template:t"})]))
        kept[f"document:{id_}"] = StoredResource("document", id_, parents)
    actions = st.frozensets(st.sampled_from(["view", "edit", "send"]), min_size=1)
    roles = {name: CustomRole(name, {"document": draw(actions)}) for name in draw(st.sets(st.sampled_from("RS")))}
    pairs = [("admin", "tenant:acme"), ("owner", "tenant:acme"), ("template_user", "template:t")]
    pairs += [("document_manager", "template:t"), *((name, "tenant:acme") for name in roles)]
    pairs += [(role, ref) for ref in kept if ref != "template:t" for role in ("owner", "viewer", "editor")]
    grants = draw(st.frozensets(st.builds(lambda p, h: Grant(*p, h), st.sampled_from(pairs), HOLDERS), max_size=6))
    wanted = draw(st.sampled_from([{}, {"require_mfa": True}]))
    suspended = draw(st.sampled_from([False, False, True]))
    return TenantFacts("acme", "", wanted, members, groups, roles, kept, grants, suspended=suspended)


class ChangedFacts(FixedFacts):
    """Facts that move on: the same reader at the revision of the newest."""

    def __init__(self) -> None:
        super().__init__({})
        self.at = NO_REVISION

    def move(self, facts: TenantFacts, revision: Revision) -> None:
        self._tenants, self.at = {"acme": facts}, revision

    async def load_core(self, tenant, scope_types):
        loaded = await super().load_core(tenant, scope_types)
        return loaded and (loaded[0], self.at)

    async def load_resource(self, tenant, reference):
        resource, grants, _ = await super().load_resource(tenant, reference)
        return resource, grants, self.at


async def answers(snapshots: Snapshots) -> list[tuple[bool, str, str]]:
    """Ask all questions; the revision must be the newest."""
    decider = Evaluator(snapshots, catch_up=partial(asyncio.sleep, 0))
    decisions = [await decider.decide(question) for question in QUESTIONS]
    return [(decision.allowed, decision.reason, decision.rule) for decision in decisions]


def opened(reader: ChangedFacts) -> Snapshots:
    return Snapshots(reader, PACKS, max_tenants=2, max_resources=10)


async def followed_as_loaded(states: list[TenantFacts]) -> None:
    reader = ChangedFacts()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    reader.move(states[0], Revision.made(1, at))
    following = opened(reader)
    await answers(following)
    revision = 1
    for before, after in itertools.pairwise(states):
        if changes := difference(before, after):
            revision += 1
            reader.move(after, Revision.made(revision, at))
            following.apply_changes(
                "acme", [RecordedChange(n, "acme", revision, c, "test", at) for n, c in enumerate(changes)]
            )
        held = following._tenants.peek("acme")
        assert held is not None, "it was dropped instead of followed"
        assert held.revision.number == revision
        assert await answers(following) == await answers(opened(reader))


@settings(max_examples=60, deadline=None)
@given(st.lists(facts(), min_size=2, max_size=4))
def test_following_changes_equals_loading_again(states):
    """Whatever changes, decisions, reasons and rules are those of a fresh load."""
    asyncio.run(followed_as_loaded(states))
