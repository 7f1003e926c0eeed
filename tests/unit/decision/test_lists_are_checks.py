"""A list is what Checks say: of every resource, every member and every action, in drawn tenants of every pack."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count, product
from random import Random

import pytest

from sidegate.decision.search import Asked
from sidegate.model import AllowedPage, Request, Resource, Subject
from sidegate.policy.schema import TENANT, InstanceOf, Schema
from support.deciding import apply, deciding
from support.pack_facts import GROUPS, MEMBERS, document_of, drawn_facts

TENANTS = count()
PACKS = ("standard", "mekari-sign", "engagelab", "eformsign")


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, object]]:
    """Start the chain on all bundled packs."""
    database = tmp_path_factory.mktemp("lists") / "facts.db"
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield runner, runner.run(stack.enter_async_context(deciding(database, poll_interval=59, max_staleness=60)))
        finally:
            runner.run(stack.aclose())


async def whole(look: object, request: Request, *, size: int) -> list[tuple[str, str]]:
    """Return all pages of a list as (ID, rule), in pages of a size."""
    found: list[tuple[str, str]] = []
    after: str | None = ""
    while after is not None:
        page: AllowedPage = await look(Asked(request, after, size))
        assert len(page.found) <= size
        found += [(one.id, one.rule) for one in page.found]
        after = page.reached
    return found


def instances(schema: Schema, facts: object, type_: str) -> list[str]:
    """Return the IDs of all that there is of a type."""
    if type_ == TENANT:
        return [facts.id]
    match schema.resources[type_].instances:
        case InstanceOf.MEMBER:
            return sorted(MEMBERS)
        case InstanceOf.GROUP:
            return sorted(GROUPS)
        case InstanceOf.ROLE:
            return sorted({*schema.roles, *facts.roles})
        case _:
            return sorted(resource.id for resource in facts.resources.values() if resource.type == type_)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pack", PACKS)
def test_a_list_is_what_checks_say(sidecar, pack, seed):
    """Lists, in pages of any size, hold exactly what Check allows, by the same rules and in the IDs' order."""
    runner, core = sidecar
    random = Random(f"{pack} {seed}")
    schema = core.packs.get(pack).pack.schema
    facts = drawn_facts(f"t{next(TENANTS)}", schema, random)

    async def check(member: str, action: str, type_: str, id_: str) -> str | None:
        request = Request(facts.id, Subject(member), action, Resource(type_, id_))
        decision = await core.decider.decide(request)
        return decision.rule if decision.allowed else None

    async def run() -> None:
        await apply(core, document_of(facts))
        size = random.choice([1, 2, 3, 50])
        questions = [(type_, action) for type_, declared in schema.resources.items() for action in declared.actions]
        for type_, action in random.sample(questions, min(len(questions), 8)):
            ids = instances(schema, facts, type_)
            may = {(member, id_): await check(member, action, type_, id_) for member, id_ in product(MEMBERS, ids)}
            question = Request(facts.id, Subject(""), action, Resource(type_, ""))
            for member in MEMBERS:
                told = await whole(core.search.resources, replace(question, subject=Subject(member)), size=size)
                assert told == [(id_, rule) for id_ in ids if (rule := may[member, id_]) is not None]
            for id_ in ids:
                told = await whole(core.search.subjects, replace(question, resource=Resource(type_, id_)), size=size)
                assert told == [(member, rule) for member in MEMBERS if (rule := may[member, id_]) is not None]
            for member, id_ in random.sample(sorted(may), min(3, len(may))):
                asked = replace(question, subject=Subject(member), action="", resource=Resource(type_, id_))
                actions = sorted(schema.resources[type_].actions)
                allowed = {one: rule for one in actions if (rule := await check(member, one, type_, id_)) is not None}
                assert await whole(core.search.actions, asked, size=size) == [*allowed.items()]

    runner.run(run())


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
