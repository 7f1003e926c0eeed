"""A list is what Checks say: of every resource, every member and every action, in drawn tenants of every pack."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sidegate.bootstrap import Core
from sidegate.decision.search import candidates, search
from sidegate.decision.search import ids as listed_ids
from sidegate.decision.search.search import ListQuery
from sidegate.model.decision import AllowedPage
from sidegate.model.facts import TenantFacts
from sidegate.model.question import Request, Resource, Subject
from sidegate.policy.pack.registry import bundled_packs
from sidegate.policy.pack.schema import TENANT, InstanceOf, Schema
from support.decisions.deciding import apply, deciding
from support.facts.pack_facts import GROUPS, MEMBERS, document_of, drawn_facts
from support.packs.deep import write_deep_packs

BUNDLED = ("standard", "mekari-sign", "engagelab", "eformsign")
CASES = [
    *(("sqlite", pack, seed) for pack in (*BUNDLED, "loose") for seed in range(2)),
    *(("sqlite", "deep", seed) for seed in range(4)),
    ("postgresql", "deep", 0),
]
NARROW, WIDE = 64, 1
"""How much may be held: candidates come from indexes, or are everything where it is more."""
NO_IDS = ("*", "~")
"""The type as a whole, and what is not there."""
_NUMBERS = count()


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of the bundled packs, the deep one, and one with a matcher of its own."""
    directory = tmp_path_factory.mktemp("packs")
    for pack in BUNDLED:
        shutil.copytree(bundled_packs() / pack, directory / pack)
    write_deep_packs(directory)
    return directory


@pytest.fixture(scope="module")
def started(
    policies: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[asyncio.Runner, Callable[[str], Core]]]:
    """Start one chain per database, when it is first asked for."""
    settings = {"policies": policies, "default_pack": "standard", "poll_interval": 59, "max_staleness": 60}
    path = tmp_path_factory.mktemp("lists") / "facts.db"
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        @cache
        def start(kind: str) -> Core:
            return runner.run(over(kind))

        async def over(kind: str) -> Core:
            postgres = request.getfixturevalue("postgres") if kind == "postgresql" else None
            database = path if postgres is None else await stack.enter_async_context(postgres.database())
            return await stack.enter_async_context(deciding(database, **settings))

        try:
            yield runner, start
        finally:
            runner.run(stack.aclose())


@dataclass(frozen=True)
class Case:
    """A drawn tenant on a running chain, and all that there is to ask about."""

    core: Core
    facts: TenantFacts
    schema: Schema
    random: Random

    def ids(self, type_: str) -> list[str]:
        """Return the IDs of all that there is of a type."""
        if type_ == TENANT:
            return [self.facts.id]
        match self.schema.resources[type_].instances:
            case InstanceOf.MEMBER:
                return [*MEMBERS]
            case InstanceOf.GROUP:
                return [*GROUPS]
            case InstanceOf.ROLE:
                return sorted({*self.schema.roles, *self.facts.roles})
            case _:
                return sorted(resource.id for resource in self.facts.resources.values() if resource.type == type_)

    async def rule(self, question: Request) -> str | None:
        """Return the rule by which a Check allows, None where it does not."""
        decision = await self.core.decider.decide(question)
        return decision.rule if decision.allowed else None

    async def of_resources(self, question: Request) -> None:
        """Prove the list of resources."""
        each = {one: _on(question, one) for one in self.ids(question.resource.type)}
        await self.proves(self.core.search.resources, _on(question, ""), each)

    async def of_subjects(self, question: Request) -> None:
        """Prove the list of subjects."""
        each = {one: replace(question, subject=Subject(one)) for one in MEMBERS}
        await self.proves(self.core.search.subjects, replace(question, subject=Subject("")), each)

    async def of_actions(self, question: Request) -> None:
        """Prove the list of actions."""
        each = {
            one: replace(question, action=one) for one in sorted(self.schema.resources[question.resource.type].actions)
        }
        await self.proves(self.core.search.actions, replace(question, action=""), each)

    async def proves(
        self, read_page: Callable[[ListQuery], Awaitable[AllowedPage]], question: Request, each: dict[str, Request]
    ) -> None:
        """Compare a list, found along what is held and found among everything, with the Checks of each."""
        expected = [(one, rule) for one, check in each.items() if (rule := await self.rule(check)) is not None]
        for most in (NARROW, WIDE):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(candidates, "MOST", most)
                patch.setattr(listed_ids, "PAGE", self.random.choice([1, 2, 3, 100]))
                patch.setattr(search, "BATCH", self.random.choice([1, 2, 3, 200]))
                assert await whole(read_page, question, size=self.random.choice([1, 2, 3, 50])) == expected, question


async def whole(
    read_page: Callable[[ListQuery], Awaitable[AllowedPage]], request: Request, *, size: int
) -> list[tuple[str, str]]:
    """Return all pages of a list as (ID, rule), in pages of a size."""
    found: list[tuple[str, str]] = []
    after: str | None = ""
    while after is not None:
        page = await read_page(ListQuery(request, after, size))
        assert len(page.found) <= size
        found += [(one.id, one.rule) for one in page.found]
        after = page.reached
    return found


def _on(question: Request, id_: str) -> Request:
    return replace(question, resource=replace(question.resource, id=id_))


@pytest.mark.parametrize(("database", "pack", "seed"), CASES)
def test_a_list_is_what_checks_say(started: Any, database: str, pack: str, seed: int) -> None:
    """Lists, in pages of any size, hold exactly what Check allows, by the same rules and in the IDs' order."""
    runner, start = started
    core = start(database)
    random = Random(f"{pack} {seed}")
    schema = core.packs.get(pack).pack.schema
    case = Case(core, drawn_facts(f"t{next(_NUMBERS)}", schema, random), schema, random)

    async def run() -> None:
        await apply(core, document_of(case.facts))
        questions = [(type_, action) for type_, declared in schema.resources.items() for action in declared.actions]
        for type_, action in random.sample(questions, min(len(questions), 16)):
            asked = Request(case.facts.id, Subject(""), action, Resource(type_, ""))
            member, ids = Subject(random.choice(MEMBERS)), [*case.ids(type_), *NO_IDS]
            await case.of_resources(replace(asked, subject=member))
            for id_ in ids if type_ == TENANT else [random.choice(ids)]:
                await case.of_subjects(_on(asked, id_))
            await case.of_actions(_on(replace(asked, subject=member), random.choice(ids)))

    runner.run(run())


FAR_ABOVE = """
tenants:
  acme:
    pack: deep
    members: {ada: {}, bob: {}, cem: {}}
    groups: {g: {members: [group:h]}, h: {members: [cem]}}
    resources:
      cabinet:c: {parents: [group:g]}
      cabinet:empty: {parents: [group:g]}
      folder:f: {parents: [cabinet:c]}
      template:t: {parents: [folder:f]}
      document:d: {parents: [template:t], properties: {open: true}}
      document:other: {properties: {open: true}}
    grants:
      - {role: steward, on: group:g, to: member:bob}
      - {role: reader, on: cabinet:c, to: member:ada}
"""


async def test_a_role_on_an_ancestor_gives_rights_on_all_descendants(policies, tmp_path):
    """What is held on a group, or by belonging to one, reaches each type below it in both directions of the lists."""
    async with deciding(tmp_path / "facts.db", policies=policies, default_pack="deep") as core:
        await apply(core, FAR_ABOVE)
        for member, action, type_, ids in (
            ("bob", "view", "group", ["g"]),
            ("bob", "view", "folder", ["f"]),
            ("bob", "view", "template", ["t"]),
            ("bob", "view", "document", ["d"]),
            ("ada", "view", "document", ["d"]),
            ("cem", "view", "group", ["g", "h"]),
            ("cem", "open", "cabinet", ["c", "empty"]),
            ("cem", "view", "document", ["d"]),
            ("cem", "view", "folder", []),
        ):
            question = Request("acme", Subject(member), action, Resource(type_, ""))
            assert [one for one, _ in await whole(core.search.resources, question, size=1)] == ids, question
            for id_ in ids:
                asked = replace(_on(question, id_), subject=Subject(""))
                assert member in [one for one, _ in await whole(core.search.subjects, asked, size=1)], asked


async def test_who_may_do_something_with_a_foreign_tenant_is_nobody_or_as_checks_say(tmp_path):
    """Asked about another tenant's ID, or the type as a whole, roles on the question's own tenant still count."""
    facts = "tenants: {acme: {members: {olga: {roles: [owner], mfa: true}, uma: {}}}}"
    async with deciding(tmp_path / "facts.db") as core:
        await apply(core, facts)
        for id_, expected in (("acme", ["olga"]), ("*", ["olga"]), ("other", [])):
            question = Request("acme", Subject(""), "transfer_ownership", Resource(TENANT, id_))
            assert [one for one, _ in await whole(core.search.subjects, question, size=1)] == expected
            asked = replace(question, subject=Subject("olga"))
            assert (await core.decider.decide(asked)).allowed is bool(expected)
