"""Who may register a resource where, by packs that ask about parents, about the type as a whole, or about both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidegate.bootstrap import Core
from sidegate.errors import InvalidInput, NotPermitted, SidegateError
from sidegate.membership.command.call import Call
from sidegate.membership.command.context_factory import ContextFactory
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.run import CommandRunner
from sidegate.membership.resource_rules import require_moving, require_registering
from sidegate.membership.resources import Resources, ResourceState
from support.decisions.deciding import apply, deciding
from support.packs.packs import write_pack

SCHEMA = """\
name: papers
description: Papers in cabinets and boxes.
roles:
  chief: {on: [tenant], count: exactly_one}
  clerk: {on: [tenant]}
  warden: {on: [cabinet, box]}
  owner: {on: [paper], count: exactly_one}
resources:
  cabinet: {actions: [fill, sort]}
  box: {actions: [fill]}
  paper: {parents: [cabinet, box], actions: [make, view, move], QUESTIONS}
rules:
  PA-01: {text: The chief may do everything.}
  PA-02: {text: Clerks make papers.}
  PA-03: {text: Wardens fill what is theirs.}
  PA-04: {text: Owners view and move their papers.}
"""
ROWS = """\
p, chief, tenant, *, *, True, allow, PA-01
p, clerk, tenant, paper, make, True, allow, PA-02
p, warden, cabinet, cabinet, fill, True, allow, PA-03
p, warden, box, box, fill, True, allow, PA-03
p, owner, paper, paper, *, True, allow, PA-04
"""
FACTS = """\
tenants:
  acme:
    members:
      ann: {roles: [chief]}
      cy: {roles: [clerk]}
      wes: {}
    resources:
      cabinet:c1: {}
      cabinet:c2: {}
      box:b1: {}
      paper:p1: {owner: wes, parents: [cabinet:c1]}
      paper:p2: {owner: wes, parents: [cabinet:c2]}
    grants:
      - {role: warden, on: cabinet:c1, to: member:wes}
      - {role: warden, on: box:b1, to: member:wes}
"""
ALLOWED, DENIED, UNNAMED = "allowed", NotPermitted, InvalidInput
ON_PARENTS = "registered_with: [cabinet:fill, box:fill]"
ON_ONE_PARENT = "registered_with: cabinet:fill"
ON_THE_TYPE = "registered_with: paper:make"
ON_BOTH = "registered_with: [paper:make, cabinet:fill]"


@asynccontextmanager
async def papers(directory: Path, questions: str) -> AsyncIterator[tuple[Core, ContextFactory]]:
    """Yield a decision point on the facts above, whose pack asks `questions`, and what begins commands in it."""
    pack = write_pack(directory / "papers", schema=SCHEMA.replace("QUESTIONS", questions), rows=ROWS)
    async with deciding(directory / "facts.db", policies=str(pack), default_pack="papers") as core:
        await apply(core, FACTS)
        yield core, ContextFactory(core.store, core.decider, lambda name: core.packs.get(name).pack.schema)


async def outcome(call: Awaitable[object]) -> object:
    """Return ALLOWED, or the type of the error that refuses the call."""
    try:
        await call
    except SidegateError as error:
        return type(error)
    return ALLOWED


@pytest.mark.parametrize(
    ("questions", "actor", "parents", "expected"),
    [
        (ON_PARENTS, "member:wes", ["cabinet:c1"], ALLOWED),
        (ON_PARENTS, "member:wes", ["box:b1"], ALLOWED),
        (ON_PARENTS, "member:wes", ["box:b1", "cabinet:c1"], ALLOWED),
        (ON_PARENTS, "member:wes", ["box:b1", "cabinet:c2"], DENIED),
        (ON_PARENTS, "member:cy", ["cabinet:c1"], DENIED),
        (ON_PARENTS, "member:wes", [], UNNAMED),
        (ON_PARENTS, "platform", [], ALLOWED),
        (ON_ONE_PARENT, "member:wes", ["cabinet:c1"], ALLOWED),
        (ON_ONE_PARENT, "member:wes", ["box:b1"], UNNAMED),
        (ON_ONE_PARENT, "member:wes", ["box:b1", "cabinet:c1"], DENIED),
        (ON_ONE_PARENT, "member:wes", ["cabinet:c1", "cabinet:c2"], DENIED),
        (ON_THE_TYPE, "member:cy", ["cabinet:c1"], ALLOWED),
        (ON_THE_TYPE, "member:cy", [], ALLOWED),
        (ON_THE_TYPE, "member:wes", ["cabinet:c1"], DENIED),
        (ON_BOTH, "member:cy", [], ALLOWED),
        (ON_BOTH, "member:cy", ["box:b1"], ALLOWED),
        (ON_BOTH, "member:cy", ["cabinet:c1"], DENIED),
        (ON_BOTH, "member:wes", ["cabinet:c1"], ALLOWED),
        (ON_BOTH, "member:wes", ["box:b1", "cabinet:c1"], DENIED),
        (ON_BOTH, "member:wes", [], DENIED),
        ("deleted_with: view", "member:ann", ["cabinet:c1"], DENIED),
        ("deleted_with: view", "platform", ["cabinet:c1"], ALLOWED),
    ],
)
async def test_each_parent_that_is_asked_about_must_allow_it(
    tmp_path: Path, questions: str, actor: str, parents: list[str], expected: object
) -> None:
    """Every named parent allows it, or else the type as a whole; what the pack asks nowhere is the platform's."""
    async with papers(tmp_path, questions) as (_, contexts):
        context = await contexts.begin("acme", Call(actor))
        assert await outcome(require_registering(context, context.schema.resources["paper"], parents)) == expected


@pytest.mark.parametrize(
    ("questions", "actor", "added", "expected"),
    [
        (f"{ON_ONE_PARENT}, moved_with: move", "member:wes", ["cabinet:c1"], ALLOWED),
        (f"{ON_ONE_PARENT}, moved_with: move", "member:wes", ["cabinet:c2"], DENIED),
        (f"{ON_ONE_PARENT}, moved_with: move", "member:cy", ["cabinet:c1"], DENIED),
        (f"{ON_ONE_PARENT}, moved_with: move, moved_into: cabinet:sort", "member:wes", ["cabinet:c1"], DENIED),
        (f"{ON_ONE_PARENT}, moved_with: move, moved_into: cabinet:sort", "member:ann", ["cabinet:c1"], ALLOWED),
        (f"{ON_ONE_PARENT}, moved_with: move, moved_into: box:fill", "member:wes", ["cabinet:c2"], ALLOWED),
        (ON_ONE_PARENT, "member:ann", ["cabinet:c1"], DENIED),
    ],
)
async def test_a_move_asks_the_resource_and_its_new_parents(
    tmp_path: Path, questions: str, actor: str, added: list[str], expected: object
) -> None:
    """A new parent is asked what a registration asks it, or what `moved_into` says instead."""
    async with papers(tmp_path, questions) as (_, contexts):
        context = await contexts.begin("acme", Call(actor))
        moving = require_moving(context, context.schema.resources["paper"], "paper:p1", added)
        assert await outcome(moving) == expected


@pytest.mark.parametrize(("source", "expected"), [("paper:p1", ALLOWED), ("paper:p2", DENIED)])
async def test_a_clone_is_registered_in_the_parents_of_its_source(
    tmp_path: Path, source: str, expected: object
) -> None:
    """Who may clone a resource makes the clone only where it could register one."""
    async with papers(tmp_path, f"{ON_ONE_PARENT}, cloned_with: view") as (core, contexts):
        resources = Resources(CommandRunner(contexts, core.follower), ReadRunner(contexts, core.follower))
        clone = ResourceState("paper:copy")
        assert await outcome(resources.clone("acme", source, clone, Call("member:wes"))) == expected
