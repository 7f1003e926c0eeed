"""A link to a server that can become slow, go silent, or be cut, as networks do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Address: TypeAlias = Path | tuple[str, int]
"""Where a server listens: a Unix socket, or a host and a port."""


@dataclass
class FaultyLink:
    """A proxy between a client and a server that forwards everything, until a method makes it fail."""

    server: Address
    address: Address | None = None
    _delay: float = 0.0
    _cut: bool = False
    _asks: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.mend()

    def silence(self) -> None:
        """Pass nothing on from now, with all connections open."""
        self._asks.clear()
        self._answers.clear()

    def hold_answers(self) -> None:
        """Pass on what clients send, and keep what they are answered until the link is mended."""
        self._answers.clear()

    def slow(self, seconds: float) -> None:
        """Delay each piece by a number of seconds."""
        self._delay = seconds

    def cut(self) -> None:
        """Close all connections, and each new one."""
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Pass on at once what waits and what comes."""
        self._cut, self._delay = False, 0.0
        self._asks.set()
        self._answers.set()

    async def carry(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        self._writers.add(answer)
        try:
            if self._cut:
                return
            reader, writer = await _connected(self.server)
            self._writers.add(writer)
            try:
                await asyncio.gather(self._pass(client, writer, self._asks), self._pass(reader, answer, self._answers))
            finally:
                self._writers.discard(writer)
                writer.close()
        except OSError:
            pass  # the server is away, and so is the link
        finally:
            self._writers.discard(answer)
            answer.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, passes: asyncio.Event) -> None:
        with suppress(ConnectionError):  # either side may close first
            while data := await source.read(65_536):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await passes.wait()
                target.write(data)
                await target.drain()
        target.close()


async def _connected(server: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(server, Path):
        return await asyncio.open_unix_connection(server)
    return await asyncio.open_connection(*server)


@asynccontextmanager
async def faulty_link(
    server: Address, path: Path | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FaultyLink]:
    """Open a link to a server: a socket at `path`, else any free port, which is its `address`; `tls` ends here."""
    link = FaultyLink(server)
    carried: set[asyncio.Task[None]] = set()

    def carry(client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(link.carry(client, answer))
        carried.add(task)
        task.add_done_callback(carried.discard)

    if path is not None:
        listening: asyncio.Server = await asyncio.start_unix_server(carry, path, ssl=tls)
        link.address = path
    else:
        listening = await asyncio.start_server(carry, "127.0.0.1", 0, ssl=tls)
        link.address = listening.sockets[0].getsockname()[:2]
    try:
        yield link
    finally:
        listening.close()
        link.mend()
        link.cut()
        await asyncio.gather(*carried, return_exceptions=True)
