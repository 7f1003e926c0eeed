"""Starts a process for each large document, passes on what it reports, and ends it when nobody waits any more."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

from sidegate.bulk.frames import HEADER, Kind, Setup, frame, read_error, write_setup
from sidegate.errors import FactsError, Fault, Unavailable
from sidegate.model.revision import Revision
from sidegate.policy.pack.schema import Schema
from sidegate.ports.bulk_facts import BulkEvent, ChangedTenant, ChangesPage, Order, Progress, Stage, TenantsCheck
from sidegate.ports.facts_store import WriteTurns
from sidegate.runtime.freed_memory import return_memory_soon
from sidegate.telemetry.logging import get_log

_WORKER: Final = (sys.executable, "-P", "-m", "sidegate.bulk.worker")
_log = get_log("bootstrap")


@dataclass(frozen=True, slots=True)
class Site:
    """Where the work is done: on which database, with which packs, and how this sidecar learns what was written."""

    database: Callable[[], str]
    schemas: Callable[[], Mapping[str, Schema]]
    default_pack: str
    turns: WriteTurns
    catch_up: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The most bytes of a document, and the most values in it."""

    bytes: int
    values: int


class BulkProcesses:
    """A `BulkFacts` that works in processes of their own, of which at most `most` run together."""

    def __init__(self, site: Site, *, most: int, limits: DocumentLimits) -> None:
        self._site = site
        self._free = asyncio.Semaphore(most)
        self._limits = limits
        self._running: set[int] = set()

    @property
    def running(self) -> frozenset[int]:
        """The IDs of the processes that run now."""
        return frozenset(self._running)

    async def run(
        self, order: Order, chunks: AsyncIterable[bytes], check: TenantsCheck
    ) -> AsyncGenerator[BulkEvent, None]:
        """Yield how far the work is, then each tenant with its changes; the process ends with the iteration."""
        async with self._free:
            process = await asyncio.create_subprocess_exec(*_WORKER, stdin=PIPE, stdout=PIPE)
            self._running.add(process.pid)
            feeding = asyncio.create_task(self._feed(process, order, chunks))
            try:
                async for event in self._events(process, feeding, order, check):
                    yield event
            finally:
                feeding.cancel()
                with suppress(ProcessLookupError):
                    process.kill()
                await asyncio.wait([feeding, asyncio.ensure_future(process.wait())])
                self._running.discard(process.pid)
                return_memory_soon()

    async def _feed(self, process: Process, order: Order, chunks: AsyncIterable[bytes]) -> None:
        site = self._site
        setup = Setup(site.database(), site.schemas(), site.default_pack, self._limits.values, order)
        await _send(process, Kind.SETUP, write_setup(setup))
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > self._limits.bytes:
                message = f"is larger than {self._limits.bytes:,} bytes: split it by tenant, or raise `max_facts_bytes`"
                raise FactsError(Fault(order.source, 0, "", message))
            await _send(process, Kind.CHUNK, chunk)
        await _send(process, Kind.END)

    async def _events(
        self, process: Process, feeding: asyncio.Task[None], order: Order, check: TenantsCheck
    ) -> AsyncGenerator[BulkEvent, None]:
        async with AsyncExitStack() as turn:
            first = True
            while True:
                kind, content = await _next(process, feeding)
                match kind:
                    case Kind.PROGRESS:
                        stage, size = json.loads(content)
                        yield Progress(Stage(stage), size)
                    case Kind.TENANTS:
                        check(json.loads(content))
                        await _send(process, Kind.CONTINUE)
                    case Kind.TURN:
                        await turn.aclose()
                        await turn.enter_async_context(self._site.turns.write_turn())
                        await _send(process, Kind.CONTINUE)
                    case Kind.TENANT:
                        if first:
                            await self._written(turn, order)
                        first = False
                        yield _tenant(json.loads(content))
                    case Kind.CHANGES:
                        yield ChangesPage(content)
                    case Kind.REFUSED:
                        raise read_error(content)
                    case Kind.DONE:
                        return
                    case _:
                        raise RuntimeError(content.decode(errors="replace"))

    async def _written(self, turn: AsyncExitStack, order: Order) -> None:
        """Let others write, and apply here what was written; until the next poll the staleness bound holds."""
        await turn.aclose()
        if order.write:
            with suppress(Unavailable):
                await self._site.catch_up()


def _tenant(written: Any) -> ChangedTenant:
    tenant, number, time, warnings = written
    return ChangedTenant(tenant, Revision(number, time), warnings)


async def _send(process: Process, kind: Kind, content: bytes = b"") -> None:
    assert process.stdin is not None
    # A process that has ended is reported by what it sent last.
    with suppress(ConnectionError):
        process.stdin.write(frame(kind, content))
        await process.stdin.drain()


async def _next(process: Process, feeding: asyncio.Task[None]) -> tuple[Kind, bytes]:
    """Return the next frame of the process.

    Raises:
        Unavailable: it has ended.
    """
    assert process.stdout is not None
    reading = asyncio.ensure_future(_read(process.stdout))
    try:
        await asyncio.wait([reading, feeding] if not feeding.done() else [reading], return_when="FIRST_COMPLETED")
        if feeding.done():
            feeding.result()
        return await reading
    except asyncio.IncompleteReadError as error:
        code = await process.wait()
        _log.warning("bulk process ended", exit_code=code)
        raise Unavailable(f"the process that worked on the document ended with {code}") from error
    finally:
        reading.cancel()


async def _read(stream: asyncio.StreamReader) -> tuple[Kind, bytes]:
    kind, length = HEADER.unpack(await stream.readexactly(HEADER.size))
    return Kind(kind), await stream.readexactly(length)
