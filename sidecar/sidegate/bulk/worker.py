"""The process that works on one document: reads it, compares it with the store, and writes.

It answers nobody else, and ends when its parent does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, Final

from sidegate.bulk.frames import HEADER, Kind, Setup, frame, read_setup, write_error
from sidegate.documents.limits import Limits
from sidegate.errors import FactsError, Fault, InvalidInput, RevisionConflict, StoreUnavailable
from sidegate.facts.apply import Bounds, FactsDocuments, TenantChanges
from sidegate.model.change import Change, Receipt
from sidegate.model.facts import TenantFacts
from sidegate.model.revision import Revision
from sidegate.policy.pack.schema import Schema
from sidegate.ports.bulk_facts import Stage
from sidegate.ports.facts_store import FactsStore
from sidegate.server.wire.fact_changes import encoded_changes
from sidegate_adapters.sql.opening import open_store

_REFUSALS = (FactsError, InvalidInput, RevisionConflict, StoreUnavailable)
_PAGE: Final = 1_000
_NICENESS: Final = 5
"""Decisions come first where both want a processor."""
_EXPENDABLE: Final = "500"
"""Of all processes on a machine without memory, the kernel ends this one before the sidecar."""


class Parent:
    """The sidecar that started this process, over two pipes."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._continued: SimpleQueue[None] = SimpleQueue()

    def receive(self) -> tuple[Setup, bytes]:
        """Return the setup and the whole document."""
        setup: Setup | None = None
        chunks: list[bytes] = []
        while True:
            kind, content = self._next()
            if kind is Kind.SETUP:
                setup = read_setup(content)
            elif kind is Kind.CHUNK:
                chunks.append(content)
            elif kind is Kind.END and setup is not None:
                threading.Thread(target=self._follow, daemon=True).start()
                return setup, b"".join(chunks)

    def send(self, kind: Kind, content: bytes = b"") -> None:
        """Send a frame."""
        self._outgoing.write(frame(kind, content))
        self._outgoing.flush()

    def ask(self, kind: Kind, content: bytes = b"") -> None:
        """Send a frame, and wait until the sidecar lets this process continue."""
        self.send(kind, content)
        self._continued.get()

    def progress(self, stage: Stage, size: int = 0) -> None:
        """Report the stage that begins."""
        self.send(Kind.PROGRESS, json.dumps([stage, size]).encode())

    def _follow(self) -> None:
        while True:
            self._next()
            self._continued.put(None)

    def _next(self) -> tuple[Kind, bytes]:
        head = self._incoming.read(HEADER.size)
        if len(head) < HEADER.size:
            os._exit(1)  # the sidecar has ended
        kind, length = HEADER.unpack(head)
        return Kind(kind), self._incoming.read(length)


@dataclass(frozen=True, slots=True)
class _AskingStore:
    """The facts of a store, which asks the sidecar for its turn before it writes."""

    store: FactsStore
    parent: Parent

    async def load(self, tenant: str) -> tuple[TenantFacts, Revision] | None:
        return await self.store.load(tenant)

    async def tenants(self) -> Sequence[str]:
        return await self.store.tenants()

    async def write(
        self,
        changes: Mapping[str, Sequence[Change]],
        *,
        expected: Mapping[str, int],
        actor: str,
        caller: str = "",
        receipt: Receipt | None = None,
    ) -> Mapping[str, Revision]:
        self.parent.progress(Stage.WRITING, sum(map(len, changes.values())))
        self.parent.ask(Kind.TURN)
        return await self.store.write(changes, expected=expected, actor=actor, caller=caller, receipt=receipt)


async def work(setup: Setup, document: bytes, parent: Parent) -> None:
    """Do what the setup orders, and send the outcome."""
    parent.progress(Stage.READING)
    store = await open_store(setup.database)
    try:
        outcome = await _outcome(setup, _text(document, setup.order.source), _AskingStore(store, parent))
    finally:
        await store.close()
    for tenant in outcome:
        revision = tenant.revision
        head = [tenant.tenant, revision.number, revision.time, [*tenant.warnings]]
        parent.send(Kind.TENANT, json.dumps(head).encode())
        changes = iter(tenant.changes)
        while page := tuple(islice(changes, _PAGE)):
            parent.send(Kind.CHANGES, encoded_changes(page))
    parent.send(Kind.DONE)


async def _outcome(setup: Setup, text: str, store: _AskingStore) -> Sequence[TenantChanges]:
    def schema_of(name: str) -> Schema | None:
        return setup.schemas.get(name or setup.default_pack)

    def check(tenants: Sequence[str]) -> None:
        store.parent.ask(Kind.TENANTS, json.dumps(tenants).encode())
        store.parent.progress(Stage.COMPARING)

    order = setup.order
    limits = Limits(setup.max_values, "split it by tenant, or raise the server's `max_facts_values`")
    documents = FactsDocuments(store, schema_of, pack_names=lambda: [*setup.schemas], bounds=Bounds(limits))
    if not order.write:
        return await documents.plan(text, order.source, check=check)
    return await documents.apply(text, order.source, actor=order.actor, caller=order.caller, check=check)


def _text(document: bytes, source: str) -> str:
    try:
        return document.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FactsError(Fault(source, 0, "", f"is not UTF-8 text: byte {error.start} is not right")) from error


def main() -> None:
    """Work for the parent process, whose frames come on standard input."""
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed by mistake is no frame
    os.nice(_NICENESS)
    gc.disable()  # it would search millions of objects again and again, and the process ends soon
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_EXPENDABLE, encoding="ascii")
    parent = Parent(sys.stdin.buffer, outgoing)
    setup, document = parent.receive()
    try:
        asyncio.run(work(setup, document, parent))
    except _REFUSALS as error:
        parent.send(Kind.REFUSED, write_error(error))
    except Exception:  # noqa: BLE001 - the sidecar logs it
        parent.send(Kind.FAILED, traceback.format_exc().encode(errors="replace"))
    os._exit(0)


if __name__ == "__main__":
    main()
