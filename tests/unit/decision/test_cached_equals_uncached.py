"""Cached equals uncached: generated questions between generated writes, asked of sidecars with and without caches."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidegate.errors import InvalidInput
from sidegate.model.decision import Decision
from sidegate.model.question import Consistency, Request, Requirement, Resource, Subject
from support.decisions.caching import caching, caching_pack
from support.decisions.deciding import apply
from support.decisions.shared_cache import DictCache

TENANTS = count()
LATEST = Consistency(Requirement.FULLY_CONSISTENT)
MODES = (
    {"cache": "off"},
    {"cache": "cold"},
    {"cache": "always"},
    {"cache": "always", "cache_entries": 1, "max_resources": 1},
)
# Every combination of what the rules look at is asked after every write.
QUESTIONS = [
    Request("", Subject(subject, properties=of_subject), action, Resource("note", note, of_note), context)
    for subject, action, note, of_subject, of_note, context in itertools.product(
        ("uma", "vic"),
        ("view", "edit"),
        ("n1", "n2"),
        ({}, {"clearance": 2}),
        ({}, {"share": 0.6}),
        ({}, {"ip": "inside"}),
    )
]
_odd = st.sampled_from([1, True, "2", 2.0, "", "outside", None, ["inside"], {"ip": "inside"}])
_claims = st.dictionaries(st.sampled_from(["clearance", "share", "ip", "x"]), _odd, max_size=2)
_oddities = st.builds(
    Request,
    st.just(""),
    st.builds(Subject, st.sampled_from(["ada", "uma", "zed"]), properties=_claims),
    st.sampled_from(["view", "edit", "fly"]),
    st.builds(Resource, st.sampled_from(["note", "desk", "ship"]), st.sampled_from(["n1", "uma", "*"]), _claims),
    _claims,
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Draw facts of few names, so that one write seldom leaves the answers of the one before."""
    status, quota = st.sampled_from(["active", "inactive"]), st.sampled_from([0, 1])
    members = {name: f"{{status: {draw(status)}, quota: {draw(quota)}}}" for name in ("uma", "vic")}
    readers = draw(st.lists(st.sampled_from(["member:uma", "member:vic"]), unique=True))
    state, owner, parent = draw(
        st.tuples(*(st.sampled_from(pair) for pair in (("open", "shut"), ("uma", "vic"), "nf")))
    )
    above = "parents: [folder:f1], " if parent == "f" else ""
    note = f"{{{above}owner: {owner}, properties: {{status: {state}, readers: {readers}}}}}"
    resources = f"folder:f1: {{owner: vic}}, note:n1: {note}" + (
        ", note:n2: {owner: vic}" if draw(st.booleans()) else ""
    )
    people = ", ".join(f"{name}: {value}" for name, value in members.items())
    return f"{{members: {{ada: {{roles: [admin]}}, {people}}}, resources: {{{resources}}}}}"


@pytest.fixture(scope="module")
def sidecars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, list]]:
    """Start one sidecar of each mode on one database; those with a shared cache share it."""
    directory = tmp_path_factory.mktemp("modes")
    common = {"policies": str(caching_pack(directory / "small")), "default_pack": "small", "shared": DictCache()}

    async def start(stack: AsyncExitStack) -> list:
        contexts = [caching(directory / "facts.db", **common, **mode) for mode in MODES]
        return [await stack.enter_async_context(context) for context in contexts]

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield runner, runner.run(start(stack))
        finally:
            runner.run(stack.aclose())


async def answer_of(core: object, request: Request) -> Decision | str:
    try:
        return await core.decider.decide(request)
    except InvalidInput as error:
        return str(error)


@given(st.lists(st.tuples(documents(), st.lists(_oddities, max_size=4), st.randoms()), min_size=2, max_size=4))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_every_cache_answers_as_no_cache_does(sidecars, steps):
    """Whatever is asked, and whatever is written between, all modes give the whole answer that the rules give.

    Each question is asked several times of each sidecar, alone and in batches, so that answers come from a cache; the
    sidecars take turns in writing, and the others learn of it from the store.
    """
    runner, cores = sidecars
    tenant = f"t{next(TENANTS)}"

    async def run() -> None:
        for number, (document, oddities, random) in enumerate(steps):
            await apply(cores[number % len(cores)], f"tenants: {{{tenant}: {document}}}")
            for core in cores:
                await answer_of(core, replace(QUESTIONS[0], tenant=tenant, consistency=LATEST))
            asked = [replace(request, tenant=tenant) for request in (*QUESTIONS, *oddities)]
            random.shuffle(asked)
            expected = [await answer_of(cores[0], request) for request in asked]
            for core in cores:
                # The first part of the batch comes from a cache where there is one, the rest is decided.
                part = len(asked) // 3
                for _ in range(2):
                    assert [await answer_of(core, request) for request in asked[:part]] == expected[:part]
                for _ in range(2):
                    outcomes = await core.batches.decide(asked)
                    assert [str(one) if isinstance(one, Exception) else one for one in outcomes] == expected
                assert [await answer_of(core, request) for request in asked] == expected

    runner.run(run())
