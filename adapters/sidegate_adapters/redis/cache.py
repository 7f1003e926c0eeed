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
"""Reads, or writes, sent to Redis together; a single one costs the library ten times as much as one in a batch."""
READS: Final = 8
"""Batches of reads in progress together; a read beyond them is answered with None, since it would only wait."""
CONNECTIONS: Final = READS + 1
"""What the client needs: one for each batch of reads, and one for all writes."""
WAITING_WRITES: Final = 1_000
REASON: Final = 200
"""The longest reported reason of a failure, in characters."""
REDISCOVERY: Final = 1.0
"""Seconds between two attempts to rediscover a cluster's nodes."""
LARGEST: Final = 65_536
"""The most bytes of a value that are written or read."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is called when a read gets no answer, with the reason, and when a value is not written."""

    failed: Callable[[str], None] = lambda _: None
    dropped: Callable[[], None] = lambda: None


@dataclass(slots=True, eq=False)
class _Batch:
    """Reads that are sent to Redis together, and the futures of their answers."""

    keys: list[bytes] = field(default_factory=list)
    waiting: list[asyncio.Future[bytes | None]] = field(default_factory=list)
    late: bool = False

    def ask(self, key: bytes) -> asyncio.Future[bytes | None]:
        """Add a read."""
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.keys.append(key)
        self.waiting.append(answer)
        return answer

    def answer(self, values: Sequence[bytes | None]) -> None:
        """Set the answers of the reads that are still waiting."""
        for waiting, value in zip(self.waiting, values, strict=True):
            if not waiting.done():
                waiting.set_result(value)


class RedisCache:
    """A `SharedCache` in Redis.

    Reads that start together are sent in one batch. A batch that takes too long is completed in the background, so that
    its connection stays usable; its callers go on without an answer. Writes wait in a queue of bounded length for one
    task that sends them.
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
        self._queued: deque[tuple[bytes, bytes, float]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._rediscovered = -REDISCOVERY
        self._closed = False

    def __repr__(self) -> str:
        return f"RedisCache({self._breaker!r}, reading={len(self._reading)}, queued={len(self._queued)})"

    async def get(self, key: bytes) -> bytes | None:
        """Return the value of a key; None if there is none, or if Redis does not answer in time.

        The hook gets "" as the reason if no command was sent to Redis.
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
        """Queue a value to be written; drop it while the circuit is open, or if too many wait."""
        unwritable = self._closed or self._breaker.state is not State.CLOSED
        if unwritable or len(self._queued) >= WAITING_WRITES or len(value) > LARGEST:
            self._hooks.dropped()
            return
        self._queued.append((self._name(key), value, seconds))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Stop the reads and writes in progress, and release all connections."""
        self._closed = True
        ending = [*self._reading, *([self._writing] if self._writing else [])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if self._open is not None:  # its task had not started
            self._open.answer([None] * len(self._open.keys))
        await disconnect(self._client)

    def _name(self, key: bytes) -> bytes:
        return self._prefix + key.hex().encode()

    async def _read(self, batch: _Batch) -> None:
        """Send one batch; later reads start the next."""
        if self._open is batch:
            self._open = None
        timer = asyncio.get_running_loop().call_later(self._timeout, self._time_out, batch)
        try:
            replies = await self._execute([("GETRANGE", key, 0, LARGEST) for key in batch.keys])
            if not batch.late:
                batch.answer([answer if isinstance(answer, bytes) and answer else None for answer in replies])
                self._report(replies)
        finally:
            timer.cancel()
            batch.answer([None] * len(batch.keys))

    def _time_out(self, batch: _Batch) -> None:
        batch.late = True
        self._report([TimeoutError(f"no answer within {self._timeout:g} s")])
        batch.answer([None] * len(batch.keys))

    def _report(self, replies: Sequence[object]) -> None:
        """Report a batch to the breaker: a success with at least one answer, since nodes fail one by one."""
        if any(isinstance(answer, bytes) for answer in replies):
            self._breaker.succeeded()
            return
        failure = replies[0]
        self._hooks.failed(f"{type(failure).__name__}: {failure}"[:REASON])
        self._breaker.failed()

    async def _write(self) -> None:
        try:
            while self._queued:
                batch = [self._queued.popleft() for _ in range(min(BATCH, len(self._queued)))]
                replies = await self._execute([("SET", key, value, "PX", int(s * 1000) + 1) for key, value, s in batch])
                for answer in replies:
                    if isinstance(answer, Exception):
                        self._hooks.dropped()
        finally:
            self._writing = None

    async def _execute(self, commands: Sequence[tuple[Any, ...]]) -> Sequence[object]:
        """Return the reply of Redis to each command, an exception where it failed."""
        replies: Sequence[object]
        try:
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            replies = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - a cache that fails in any way is an empty one
            replies = [error] * len(commands)
        if any(isinstance(answer, Exception) for answer in replies) and monotonic() > self._rediscovered + REDISCOVERY:
            self._rediscovered = monotonic()
            await rediscover(self._client)
        return replies
