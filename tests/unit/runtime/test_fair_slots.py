"""Slots are shared fairly, and none is lost."""

import asyncio

import pytest

from sidegate.runtime.fair_slots import FairSlots
from sidegate.runtime.shares import Share, begin_share


class Work:
    """Work that holds a slot until it may go on; `order` says which began."""

    def __init__(self, slots):
        self.slots = FairSlots(slots)
        self.order = []
        self.may_end = asyncio.Semaphore(0)

    def start(self, tenant):
        async def work():
            begin_share(Share("", tenant))
            async with self.slots:
                self.order.append(tenant)
                await self.may_end.acquire()

        return asyncio.create_task(work())

    def end(self, number):
        for _ in range(number):
            self.may_end.release()


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_waits_takes_turns_by_its_share():
    """The read of one tenant waits for one of another that has many."""
    work = Work(2)
    tasks = [work.start(tenant) for tenant in (*["flood"] * 6, "quiet")]
    await settled()
    assert work.order == ["flood"] * 2
    work.end(2)
    await settled()
    assert work.order[2:] == ["flood", "quiet"]
    work.end(10)
    await asyncio.gather(*tasks)
    assert work.slots._free == 2


@pytest.mark.parametrize("releases", [0, 1])
async def test_cancelled_work_gives_its_slot_back(releases):
    """Work that is cancelled while it waits, or just as it gets its slot, leaves the slot to others."""
    work = Work(1)
    first, cancelled, last = (work.start(tenant) for tenant in ("a", "b", "c"))
    await settled()
    work.end(releases)
    for _ in range(10):
        if len(work.slots._waiting) == 2 - releases:
            break
        await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    work.end(2)
    await asyncio.gather(first, last)
    assert work.order == ["a", "c"]
    assert work.slots._free == 1
