"""A limit on waiting, for work that mostly does not wait."""

from __future__ import annotations

import asyncio

import pytest

from sidegate.runtime.waiting import within


async def test_work_that_never_waits_is_done_whatever_the_limit():
    """Without a wait there is no timer, and a limit of nothing is none."""

    async def work():
        return 7

    assert await within(0, work()) == 7


async def test_work_that_waits_goes_on_from_there():
    """Results, errors and several waits pass through as if nothing were between."""
    ready = asyncio.Event()
    order = []

    async def work():
        order.append("begun")
        await ready.wait()
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="no"):
            await asyncio.gather(failing())
        return "done"

    async def failing():
        raise ValueError("no")

    asyncio.get_running_loop().call_soon(ready.set)
    assert await within(30, work()) == "done"
    assert order == ["begun"]


async def test_an_error_of_the_work_is_raised_before_and_after_it_waits():
    """What the work raises is raised, at its first step and later."""

    async def work(*, later):
        if later:
            await asyncio.sleep(0)
        raise LookupError("missing")

    for later in (False, True):
        with pytest.raises(LookupError, match="missing"):
            await within(30, work(later=later))


async def test_work_that_waits_too_long_ends_and_cleans_up():
    """Beyond the limit the work is cancelled where it waits, and the caller gets an error."""
    cleaned = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(TimeoutError):
        await within(0.01, work())
    assert cleaned == [True]


async def test_a_cancelled_caller_cancels_the_work():
    """A cancellation from outside reaches the work, and is no timeout."""
    cancelled = []

    async def work():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    task = asyncio.create_task(within(30, work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled == [True]
