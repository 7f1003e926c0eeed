"""Hints over Redis Pub/Sub, for stores without hints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import RedisCluster

from sidegate_adapters.backoff import growing_pauses
from sidegate_adapters.redis.connect import FAILURES, Client, disconnect

_QUIET_SECONDS: Final = 5.0
"""After this time without a hint the connection is tested."""
_ANSWER_SECONDS: Final = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


class RedisHints:
    """`Hints` on a channel; `connected_client` makes a client that has not connected yet."""

    def __init__(self, connected_client: Callable[[], Client], channel: str) -> None:
        self._client = connected_client
        self._channel = channel
        self._publisher: Client | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._due = False
        self._connected = False

    def __repr__(self) -> str:
        return f"RedisHints({self._channel!r}, connected={self._connected})"

    @property
    def connected(self) -> bool:
        """Whether hints would be received now."""
        return self._connected

    def publish(self) -> None:
        """Send a hint to all listeners; while Redis is slow, the hints that are waiting become one."""
        self._due = True
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish())

    async def listen(self) -> AsyncGenerator[None]:
        """Yield whenever there may be something new."""
        pauses = growing_pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            # A new client each time, so that with a cluster or Sentinel it discovers the current servers.
            client = self._client()
            with suppress(*FAILURES):
                try:
                    listening = await _subscribed(client, self._channel)
                    self._connected = True
                    pauses = growing_pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
                    while True:
                        yield
                        await _hint(listening)
                finally:
                    self._connected = False
                    await disconnect(client)
            await asyncio.sleep(next(pauses))

    async def close(self) -> None:
        """Release all connections."""
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.wait([self._publishing])
        if self._publisher is not None:
            await disconnect(self._publisher)

    async def _publish(self) -> None:
        while self._due:
            self._due = False
            with suppress(*FAILURES):
                self._publisher = self._publisher or self._client()
                await self._publisher.publish(self._channel, b"")


async def _subscribed(client: Client, channel: str) -> Any:
    if isinstance(client, RedisCluster):
        await client.initialize()
    listening = client.pubsub()
    await listening.subscribe(channel)
    await _answer(listening, "subscribe")
    return listening


async def _hint(listening: Any) -> None:
    """Wait for the next hint.

    Raises:
        OSError: the connection is lost.
        RedisError: likewise.
    """
    while (message := await listening.get_message(timeout=_QUIET_SECONDS)) is None or message["type"] != "message":
        if message is None:
            await listening.ping()
            if await _answer(listening, "pong"):
                return


async def _answer(listening: Any, kind: str) -> bool:
    """Wait for an answer; return whether a hint came instead, which is an answer, too.

    Raises:
        TimeoutError: neither comes in time.
    """
    async with asyncio.timeout(_ANSWER_SECONDS):
        while True:
            message = await listening.get_message(timeout=_ANSWER_SECONDS)
            if message is not None and message["type"] in {kind, "message"}:
                return bool(message["type"] == "message")
