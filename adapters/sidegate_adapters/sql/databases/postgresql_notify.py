"""Hints by PostgreSQL's LISTEN: every write notifies in its own transaction, so they come as it is committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, Final

import asyncpg

from sidegate_adapters.backoff import growing_pauses
from sidegate_adapters.sql.databases.notify_channel import HINT_CHANNEL
from sidegate_adapters.sql.databases.postgresql import connect

_QUIET_SECONDS: Final = 5.0
"""After this time without a hint the connection is tested."""
_ANSWER_SECONDS: Final = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a lost or refused connection raises; a TimeoutError is an OSError."""


class PostgresHints:
    """`Hints` on a connection of its own."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._connected = False

    def __repr__(self) -> str:
        return f"PostgresHints(connected={self._connected})"

    @property
    def connected(self) -> bool:
        """Whether hints would be received now."""
        return self._connected

    def publish(self) -> None:
        """Do nothing: the transaction of the write has sent the hint."""

    async def listen(self) -> AsyncGenerator[None]:
        """Yield whenever there may be something new."""
        pauses = growing_pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            connection: Any = None
            notified = asyncio.Event()
            with suppress(*_FAILURES):
                try:
                    connection = await connect(self._address(), statement_seconds=_ANSWER_SECONDS)
                    await _listen(connection, notified)
                    self._connected = True
                    pauses = growing_pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
                    while True:
                        yield
                        await _hint(connection, notified)
                finally:
                    self._connected = False
                    if connection is not None:
                        connection.terminate()
            await asyncio.sleep(next(pauses))

    async def close(self) -> None:
        """Do nothing: the connection is closed with its listener."""


async def _listen(connection: Any, notified: asyncio.Event) -> None:
    connection.add_termination_listener(lambda _: notified.set())
    await connection.add_listener(HINT_CHANNEL, lambda *_: notified.set())


async def _hint(connection: Any, notified: asyncio.Event) -> None:
    """Wait for the next hint.

    Raises:
        OSError: the connection is lost.
    """
    while not notified.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(_QUIET_SECONDS):
                await notified.wait()
                break
        await connection.execute("SELECT 1")
    if connection.is_closed():
        raise ConnectionError("the connection is lost")
    notified.clear()
