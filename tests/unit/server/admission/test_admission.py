"""Calls are admitted within limits, in fair turns, and refused when they can't be answered in time."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.errors import Overloaded
from sidegate.runtime.shares import Share, current_share
from sidegate.server.admission import lane as lanes
from sidegate.server.admission.admission import Admission
from sidegate.server.admission.call_classes import CallClass
from sidegate.server.admission.lane import REFUSALS, Lane, Limits
from sidegate.server.calls.deadlines import begin_call

LIST = "AuthorizationService/ListResources"
CHECK = "AuthorizationService/Check"
HOUR = 3600.0


class Calls:
    """Calls that run until they are released; `order` are the tenants of those that began."""

    def __init__(self, limits, *, call_class=CallClass.LIST, method=LIST, patience=HOUR):
        self.order = []
        self.released = asyncio.Semaphore(0)
        self.admission = Admission({call_class: limits}, patience=patience)
        self._call = self.admission.admitted(method, self._run)

    @property
    def lane(self):
        return next(iter(self.admission._lanes.values()))

    async def _run(self, message):
        self.order.append(message.tenant)
        await self.released.acquire()
        return current_share()

    def start(self, tenant):
        return asyncio.create_task(self._call(pb.ListResourcesRequest(tenant=tenant)))

    def release(self, number):
        for _ in range(number):
            self.released.release()


@asynccontextmanager
async def started(calls, *tenants):
    """Start calls, and let each come as far as it can; in the end all are released."""
    tasks = [calls.start(tenant) for tenant in tenants]
    await settled()
    yield tasks
    calls.release(len(tasks) + 100)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert calls.lane.running == calls.lane.waiting == 0
    assert not calls.lane._by_share


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_calls_run_than_the_limit():
    """Calls beyond the limit wait, and run when others end."""
    calls = Calls(Limits(2, 10))
    async with started(calls, "a", "b", "c", "d") as tasks:
        assert calls.order == ["a", "b"]
        calls.release(1)
        await settled()
        assert len(calls.order) == 3
        calls.release(10)
        assert {(await task).tenant for task in tasks} == {"a", "b", "c", "d"}


async def test_a_flood_leaves_a_slot_to_others():
    """One tenant runs three quarters of the calls at most; another one's call begins immediately."""
    calls = Calls(Limits(4, 100))
    async with started(calls, *["flood"] * 20) as tasks:
        assert calls.order == ["flood"] * 3
        tasks.append(calls.start("quiet"))
        await settled()
        assert calls.order == ["flood"] * 3 + ["quiet"]


async def test_tenants_take_turns():
    """What waits behind a flood waits for one call of it."""
    calls = Calls(Limits(1, 100))
    async with started(calls, *["flood"] * 5, "quiet"):
        calls.release(3)
        await settled()
        assert calls.order == ["flood", "flood", "quiet", "flood"]


async def test_a_full_queue_refuses_the_caller_that_fills_it():
    """A call that comes to a full queue takes the place of one of the flood, whose client learns when to try again."""
    calls = Calls(Limits(1, 3))
    async with started(calls, *["flood"] * 5) as flood:
        assert isinstance(flood[4].exception(), Overloaded)
        flood.append(calls.start("quiet"))
        await settled()
        assert isinstance(flood[3].exception(), Overloaded)
        assert flood[3].exception().metadata == {"class": "list"}
        assert flood[3].exception().retry_after > 0
        assert calls.lane.full == 2


async def test_a_call_whose_time_is_up_is_refused():
    """A call waits at most half of its client's time."""
    calls = Calls(Limits(1, 10))
    async with started(calls, "a"):
        begin_call(0.002)
        late = calls.start("b")
        with pytest.raises(Overloaded, match="did not come in time"):
            await late
        assert calls.order == ["a"]
        assert calls.lane.late == 1


async def test_what_can_not_be_answered_in_time_is_refused_immediately():
    """Where calls are admitted every ten seconds, one that can wait five is refused on arrival."""
    now = 0.0
    lane = Lane("list", Limits(1, 10), clock=lambda: now)
    share = Share("", "a")
    assert lane.try_enter(share)
    for _ in range(20):
        waiting = asyncio.create_task(lane.wait(share, HOUR))
        await settled()
        now += 10
        lane.leave(share)
        await waiting
    with pytest.raises(Overloaded, match=r"can wait 5\.0 s"):
        await lane.wait(share, 5.0)
    lane.leave(share)


async def test_a_cancelled_call_gives_its_slot_back():
    """Neither a call that is cancelled while it waits nor one that was just admitted keeps a slot."""
    calls = Calls(Limits(1, 10))
    async with started(calls, "a", "b", "c") as tasks:
        tasks[1].cancel()
        calls.release(1)
        await tasks[0]
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert calls.lane.running == 0
        tasks.append(calls.start("d"))
        await settled()
        assert calls.order[-1] == "d"


async def test_a_call_that_fails_gives_its_slot_back():
    """An error leaves no slot taken."""

    async def failing(_):
        raise ValueError

    admission = Admission({CallClass.LIST: Limits(1, 1)}, patience=HOUR)
    call = admission.admitted(LIST, failing)
    for _ in range(3):
        with pytest.raises(ValueError):  # noqa: PT011 - its own error, as it is
            await call(pb.ListResourcesRequest())


async def test_checks_are_spread_over_turns_of_the_loop():
    """A few Checks begin in one turn of the loop; a quiet tenant's Check passes those of a flood."""
    order = []

    async def check(message):
        order.append(message.tenant)

    admission = Admission({CallClass.CHECK: Limits(100, 100, per_turn=2)}, patience=HOUR)
    call = admission.admitted(CHECK, check)
    tasks = [asyncio.create_task(call(pb.CheckRequest(tenant=tenant))) for tenant in (*["flood"] * 10, "quiet")]
    await asyncio.gather(*tasks)
    assert order.index("quiet") <= 3
    assert len(order) == 11


async def test_a_client_that_retries_without_a_pause_is_refused_later(monkeypatch):
    """Some refusals are sent immediately; the others are held back, so that they leave time for calls that run."""
    monkeypatch.setattr(lanes, "DELAY", HOUR)
    lane = Lane("list", Limits(1, 1), clock=lambda: 0.0)
    share = Share("", "a")
    assert lane.try_enter(share)
    tasks = [asyncio.create_task(lane.wait(share, HOUR)) for _ in range(2 * int(REFUSALS))]
    await settled()
    assert sum(task.done() for task in tasks) == REFUSALS
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert lane._held == 0


async def test_a_call_whose_client_streams_holds_a_slot_until_it_ends():
    """An import of a document in chunks is one call of its class, from its first message to its last response."""
    admission = Admission({CallClass.BULK: Limits(1, 1)}, patience=HOUR)
    lane = admission._lanes[CallClass.BULK]

    async def echoed(messages):
        for message in messages:
            yield message

    call = admission.admitted_stream("FactsService/ImportFacts", echoed)
    responses = call([1, 2])
    assert await anext(responses) == 1
    assert lane.running == 1
    assert [response async for response in responses] == [2]
    left = call([1, 2])
    await anext(left)
    await left.aclose()
    assert lane.running == 0
