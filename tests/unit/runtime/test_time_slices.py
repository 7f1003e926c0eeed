"""Long work leaves the loop to others between its pieces."""

import asyncio

from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.draft import Draft
from sidegate.membership.invitation_rows import Invitee
from sidegate.membership.invitations import Invitations, InviteOrder
from sidegate.model.revision import Revision
from sidegate.runtime.time_slices import in_time_slices


class Planner:
    """Plans in memory, as a command runner does between its reads and its write."""

    async def run(self, tenant, call, *, plan, **_):
        draft = Draft(None, tenant)
        draft._revision = Revision(1, 1)
        return await plan(CommandContext(draft, call, lambda: None, None))


async def turns_during(work):
    """Return what the work returns, and how often others had their turn meanwhile."""
    task = asyncio.ensure_future(work)
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    return task.result(), turns


async def test_others_have_their_turn_between_the_pieces():
    """Every item comes, in order, and the loop goes round many times meanwhile."""

    async def gathered():
        return [item async for item in in_time_slices(range(1000))]

    items, turns = await turns_during(gathered())
    assert items == [*range(1000)]
    assert turns >= 20


async def test_thousands_of_rows_do_not_hold_the_sidecar():
    """EL-10: while the rows of an invitation are read, the follower and the checks of others go on."""
    order = InviteOrder([Invitee(f"invitees[{number}]", email="none") for number in range(10_000)], each=True)
    work = Invitations(Planner()).invite("acme", order, Call())
    results, turns = await turns_during(work)
    assert all(result.failure for result in results)
    assert len(results) == 10_000
    assert turns >= 200


async def test_one_slice_runs_in_a_turn_of_the_loop():
    """However many lists and batches are in progress, a short call waits for one slice of one of them."""
    slices = []

    async def long_work(number):
        async for item in in_time_slices(range(100)):
            slices.append((number, turn))
            del item

    works = [asyncio.ensure_future(long_work(number)) for number in range(8)]
    turn = 0
    while not all(work.done() for work in works):
        turn += 1
        await asyncio.sleep(0)
    in_turn = {}
    for number, at in slices:
        in_turn.setdefault(at, set()).add(number)
    assert len(slices) == 800
    assert all(len(numbers) == 1 for numbers in in_turn.values())
