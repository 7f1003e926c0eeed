"""A link to a server on a Unix socket that can go silent: what is sent is taken, and nothing comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class SilentLink:
    """Passes everything on until it is told to be silent."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._speaks = asyncio.Event()
        self._speaks.set()

    def silence(self) -> None:
        """Pass nothing on from now, with all connections open."""
        self._speaks.clear()

    def speak(self) -> None:
        """Pass on what waits and what comes."""
        self._speaks.set()

    async def carry(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        reader, writer = await asyncio.open_unix_connection(self._server)
        await asyncio.gather(self._pass(client, writer), self._pass(reader, answer))

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._speaks.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass  # whoever hung up first
        finally:
            target.close()


@asynccontextmanager
async def silent_link(server: Path, path: Path) -> AsyncIterator[SilentLink]:
    """Open a link to a server's socket at `path`."""
    link = SilentLink(server)
    carried: set[asyncio.Task[None]] = set()

    def carry(client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        carried.add(asyncio.create_task(link.carry(client, answer)))

    listening = await asyncio.start_unix_server(carry, path)
    try:
        yield link
    finally:
        link.speak()
        listening.close()
        await asyncio.wait_for(asyncio.gather(*carried, return_exceptions=True), 10)
