"""A limit on waiting that costs nothing where nothing is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Do the work in so many seconds, counted from where it first waits.

    Most decisions are made in memory and never wait; a timer for each would cost half as much as the decision.

    Raises:
        TimeoutError: it takes longer.
    """
    try:
        waited_for = work.send(None)
    except StopIteration as ended:
        answer: T = ended.value
        return answer
    async with asyncio.timeout(seconds):
        return await _Begun(work, waited_for)


class _Begun(Generic[T]):
    """The rest of a coroutine that waits for something already."""

    def __init__(self, work: Coroutine[Any, Any, T], waited_for: object) -> None:
        self._work = work
        self._waited_for = waited_for

    def __await__(self) -> Generator[object, Any, T]:
        waited_for = self._waited_for
        while True:
            try:
                answer = yield waited_for
            except BaseException as error:  # noqa: BLE001 - whatever comes from outside belongs to the work
                step = partial(self._work.throw, error)
            else:
                step = partial(self._work.send, answer)
            try:
                waited_for = step()
            except StopIteration as ended:
                result: T = ended.value
                return result
