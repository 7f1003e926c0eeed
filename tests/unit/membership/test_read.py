"""Reads that name their actor, while others write."""

import pytest

from sidegate.errors import NotPermitted, RevisionConflict
from sidegate.history.changes import History
from sidegate.membership.command.call import Call
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
ADAM = Call("member:adam")
SELDOM = {"poll_interval": 300.0, "max_staleness": 600.0}


@pytest.fixture
async def core(tmp_path):
    """A decision point that polls for changes of others only on demand."""
    async with deciding(tmp_path / "facts.db", **SELDOM) as core:
        await apply(core, DOCUMENT)
        yield core


@pytest.fixture
def reader(core):
    def schema_of(name):
        return core.packs.get(name).pack.schema

    return ReadRunner(ContextFactory(core.store, core.decider, schema_of), core.follower)


async def members(context):
    await context.ask(Operation.LIST_MEMBERS)
    return await context.draft.read(lambda store: store.members("acme", MemberQuery(), after="", limit=9))


async def test_a_caller_that_loses_the_right_meanwhile_gets_nothing(core, reader):
    """What is returned is of the revision of the decision: a revocation that comes in between counts."""
    assert len(await reader.run("acme", ADAM, members)) == 2
    asked = []

    async def interrupted(context):
        await context.ask(Operation.LIST_MEMBERS)
        if not asked:
            await apply(core, DEPRIVED)
        asked.append(context)
        return await members(context)

    with pytest.raises(NotPermitted):
        await reader.run("acme", ADAM, interrupted)
    assert len(asked) == 1


async def test_what_another_sidecar_wrote_counts_immediately(reader, tmp_path):
    """The store's newest revision is used for the decision, however long memory was behind it."""
    assert len(await reader.run("acme", ADAM, members)) == 2
    async with deciding(tmp_path / "facts.db", **SELDOM) as second:
        await apply(second, DEPRIVED)
    with pytest.raises(NotPermitted):
        await reader.run("acme", ADAM, members)


async def test_a_read_that_always_meets_a_writer_ends_with_a_conflict(core, reader):
    """Where a writer comes between each time, the read ends with a conflict instead of a mixture."""
    states = [DOCUMENT, DEPRIVED.replace("[member]", "[admin], quota: 1")]
    reads = []

    async def outrun(context):
        await context.ask(Operation.LIST_MEMBERS)
        reads.append(context)
        await apply(core, states[len(reads) % 2])
        return await members(context)

    with pytest.raises(RevisionConflict):
        await reader.run("acme", ADAM, outrun)
    assert len(reads) > 2


class Overtaken:
    """A history store with a write just before each read."""

    def __init__(self, core):
        self._core = core
        self.read = []

    async def history(self, tenant, query, *, after, limit):
        await apply(self._core, DEPRIVED)
        self.read.append(await self._core.history.history(tenant, query, after=after, limit=limit))
        return self.read[-1]

    async def revision_at(self, tenant, at=None):
        return await self._core.history.revision_at(tenant, at)


async def test_no_change_newer_than_the_decision_is_returned(core, reader):
    """MS-04: a history that has the revocation already is not returned to a caller that was allowed until then."""
    await apply(core, HIS)
    store = Overtaken(core)
    history = History(store, reader)
    with pytest.raises(NotPermitted):
        await history.list("acme", ChangeQuery(), ADAM, after=0, limit=9)
    assert len(store.read) == 1
