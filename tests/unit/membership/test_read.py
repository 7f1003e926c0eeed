"""Reads that name their actor, while others write."""

import pytest

from sidegate.errors import NotPermitted, RevisionConflict
from sidegate.history.changes import History
from sidegate.membership.command.caller import Caller
from sidegate.membership.command.context_factory import ContextFactory
from sidegate.membership.command.read import ReadRunner
from sidegate.model.change import ChangeQuery
from sidegate.model.page import MemberQuery
from sidegate.policy.pack.schema import Operation
from support.decisions.deciding import apply, deciding

DOCUMENT = """\
tenants:
  acme:
    pack: mekari-sign
    members:
      ann: {roles: [owner]}
      adam: {roles: [admin]}
"""
DEPRIVED = DOCUMENT.replace("adam: {roles: [admin]}", "adam: {roles: [member]}")
HIS = DOCUMENT.replace("ann", "zed").replace("adam", "ann").replace("zed", "adam")
ADAM = Caller("member:adam")
SELDOM = {"poll_interval": 300.0, "max_staleness": 600.0}


@pytest.fixture
async def core(tmp_path):
    """A decision point that looks for changes of others only where it is told to."""
    async with deciding(tmp_path / "facts.db", **SELDOM) as core:
        await apply(core, DOCUMENT)
        yield core


@pytest.fixture
def reader(core):
    def schema_of(name):
        return core.packs.get(name).pack.schema

    return ReadRunner(ContextFactory(core.store, core.decider, schema_of), core.follower)


async def members(step):
    await step.ask(Operation.LIST_MEMBERS)
    return await step.draft.read(lambda store: store.members("acme", MemberQuery(), after="", limit=9))


async def test_who_loses_the_right_meanwhile_is_told_nothing(core, reader):
    """What is told is of the revision that was asked about: a revocation that comes in between is asked about, too."""
    assert len(await reader.run("acme", ADAM, members)) == 2
    asked = []

    async def interrupted(step):
        await step.ask(Operation.LIST_MEMBERS)
        if not asked:
            await apply(core, DEPRIVED)
        asked.append(step)
        return await members(step)

    with pytest.raises(NotPermitted):
        await reader.run("acme", ADAM, interrupted)
    assert len(asked) == 1


async def test_what_another_sidecar_wrote_counts_at_once(reader, tmp_path):
    """The store's newest revision is asked about, however long memory was not brought up to it."""
    assert len(await reader.run("acme", ADAM, members)) == 2
    async with deciding(tmp_path / "facts.db", **SELDOM) as second:
        await apply(second, DEPRIVED)
    with pytest.raises(NotPermitted):
        await reader.run("acme", ADAM, members)


async def test_a_reader_that_never_gets_its_turn_says_so(core, reader):
    """Where a writer comes between each time, the read ends with a conflict instead of a mixture."""
    states = [DOCUMENT, DEPRIVED.replace("[member]", "[admin], quota: 1")]
    looks = []

    async def outrun(step):
        await step.ask(Operation.LIST_MEMBERS)
        looks.append(step)
        await apply(core, states[len(looks) % 2])
        return await members(step)

    with pytest.raises(RevisionConflict):
        await reader.run("acme", ADAM, outrun)
    assert len(looks) > 2


class Overtaken:
    """A history store that somebody writes to just before each look."""

    def __init__(self, core):
        self._core = core
        self.told = []

    async def history(self, tenant, query, *, after, limit):
        await apply(self._core, DEPRIVED)
        self.told.append(await self._core.history.history(tenant, query, after=after, limit=limit))
        return self.told[-1]

    async def revision_at(self, tenant, at=None):
        return await self._core.history.revision_at(tenant, at)


async def test_no_change_is_told_that_is_newer_than_the_decision(core, reader):
    """MS-04: a history that has the revocation already is not told to whom it was allowed until then."""
    await apply(core, HIS)
    store = Overtaken(core)
    history = History(store, reader)
    with pytest.raises(NotPermitted):
        await history.list("acme", ChangeQuery(), ADAM, after=0, limit=9)
    assert len(store.told) == 1
