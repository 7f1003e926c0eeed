"""The cache that sidecars share, in Redis."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from sidegate_adapters.redis.circuit_breaker import Breaker, State
from sidegate_adapters.redis.connect import Client, disconnect, rediscover

BATCH: Final = 64
"""Questions, or values, that go to Redis together; the library's cost of one alone is ten times that of one of many."""
READS: Final = 8
"""Batches of questions under way at once; what would come beside them is not asked, for it would only wait."""
CONNECTIONS: Final = READS + 1
"""What the client needs: one for each batch of questions, and one for all writes."""
WAITING_WRITES: Final = 1_000
REASON: Final = 200
"""Characters of why something failed that are told."""
REDISCOVERY: Final = 1.0
"""Seconds between two attempts to learn a cluster's nodes anew."""
LARGEST: Final = 65_536
"""Bytes of a value; of a larger one, which only another can have put there, no more is read."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is called where a question gets no answer, with why, and where a value is not written."""

    failed: Callable[[str], None] = lambda _: None
    dropped: Callable[[], None] = lambda: None


@dataclass(slots=True, eq=False)
class _Batch:
    """Questions that go to Redis together, and who waits for their answers."""

    keys: list[bytes] = field(default_factory=list)
    waiting: list[asyncio.Future[bytes | None]] = field(default_factory=list)
    late: bool = False

    def ask(self, key: bytes) -> asyncio.Future[bytes | None]:
        """Take one more question."""
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.keys.append(key)
        self.waiting.append(answer)
        return answer

    def answer(self, values: Sequence[bytes | None]) -> None:
        """Tell everyone who still waits."""
        for waiting, value in zip(self.waiting, values, strict=True):
            if not waiting.done():
                waiting.set_result(value)


class RedisCache:
    """A `SharedCache` in Redis.

    What is asked in the same moment goes together. A batch that takes too long goes on alone, so that its connection
    keeps its order and is there for the next one; whoever asked goes on without it. Writes wait in a line of bounded
    length for one task that sends them.
    """

    def __init__(
        self,
        client: Client,
        *,
        prefix: str,
        timeout: float,
        breaker: Breaker,
        hooks: Hooks | None = None,
    ) -> None:
        self._client = client
        self._prefix = prefix.encode() + b":decision:"
        self._timeout = timeout
        self._breaker = breaker
        self._hooks = hooks or Hooks()
        self._open: _Batch | None = None
        self._reading: set[asyncio.Task[None]] = set()
        self._lined_up: deque[tuple[bytes, bytes, float]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._rediscovered = -REDISCOVERY
        self._closed = False

    def __repr__(self) -> str:
        return f"RedisCache({self._breaker!r}, reading={len(self._reading)}, lined_up={len(self._lined_up)})"

    async def get(self, key: bytes) -> bytes | None:
        """Return what is kept under a key; None where nothing is, or where Redis does not tell in time.

        The hook is told "" as the reason where Redis is not even asked.
        """
        if (self._open is None and len(self._reading) >= READS) or not self._breaker.allows():
            self._hooks.failed("")
            return None
        if self._open is None:
            self._open = _Batch()
            task = asyncio.create_task(self._read(self._open))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
        batch = self._open
        answer = batch.ask(self._name(key))
        if len(batch.keys) >= BATCH:
            self._open = None
        return await answer

    def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Line a value up to be written; drop it where Redis ails, or where too many wait."""
        unwritable = self._closed or self._breaker.state is not State.CLOSED
        if unwritable or len(self._lined_up) >= WAITING_WRITES or len(value) > LARGEST:
            self._hooks.dropped()
            return
        self._lined_up.append((self._name(key), value, seconds))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Stop what is under way, and release all connections."""
        self._closed = True
        ending = [*self._reading, *([self._writing] if self._writing else [])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if self._open is not None:  # it had not begun
            self._open.answer([None] * len(self._open.keys))
        await disconnect(self._client)

    def _name(self, key: bytes) -> bytes:
        return self._prefix + key.hex().encode()

    async def _read(self, batch: _Batch) -> None:
        """Ask one batch; whoever comes from here on begins the next."""
        if self._open is batch:
            self._open = None
        timer = asyncio.get_running_loop().call_later(self._timeout, self._give_up, batch)
        try:
            told = await self._told([("GETRANGE", key, 0, LARGEST) for key in batch.keys])
            if not batch.late:
                batch.answer([answer if isinstance(answer, bytes) and answer else None for answer in told])
                self._judge(told)
        finally:
            timer.cancel()
            batch.answer([None] * len(batch.keys))

    def _give_up(self, batch: _Batch) -> None:
        batch.late = True
        self._judge([TimeoutError(f"no answer within {self._timeout:g} s")])
        batch.answer([None] * len(batch.keys))

    def _judge(self, told: Sequence[object]) -> None:
        """Tell the breaker what came of a batch; one answer is enough, for the others may be another node's."""
        if any(isinstance(answer, bytes) for answer in told):
            self._breaker.succeeded()
            return
        failure = told[0]
        self._hooks.failed(f"{type(failure).__name__}: {failure}"[:REASON])
        self._breaker.failed()

    async def _write(self) -> None:
        try:
            while self._lined_up:
                batch = [self._lined_up.popleft() for _ in range(min(BATCH, len(self._lined_up)))]
                told = await self._told([("SET", key, value, "PX", int(s * 1000) + 1) for key, value, s in batch])
                for answer in told:
                    if isinstance(answer, Exception):
                        self._hooks.dropped()
        finally:
            self._writing = None

    async def _told(self, commands: Sequence[tuple[Any, ...]]) -> Sequence[object]:
        """Return what Redis says to each command, an exception where it failed."""
        told: Sequence[object]
        try:
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            told = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - whatever the library raises, a cache that fails is an empty one
            told = [error] * len(commands)
        if any(isinstance(answer, Exception) for answer in told) and monotonic() > self._rediscovered + REDISCOVERY:
            self._rediscovered = monotonic()
            await rediscover(self._client)
        return told
