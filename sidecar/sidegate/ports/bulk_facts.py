"""The port of bulk work: a large facts document, planned or applied where it can be stopped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from sidegate.model.revision import Revision

TenantsCheck: TypeAlias = Callable[[Sequence[str]], None]
"""Raises where a document may not be about these tenants."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to do with a document: `write` it or only plan it; the history shows `actor` and `caller`."""

    source: str
    write: bool
    actor: str = ""
    caller: str = ""


class Stage(StrEnum):
    """How far the work is."""

    READING = "reading"
    COMPARING = "comparing"
    WRITING = "writing"


@dataclass(frozen=True, slots=True)
class Progress:
    """The stage that begins; `size` is how many changes it is about, 0 where that is not known yet."""

    stage: Stage
    size: int = 0


@dataclass(frozen=True, slots=True)
class ChangedTenant:
    """A tenant of the document, with its revision before a plan or after a write; its changes follow it."""

    tenant: str
    revision: Revision
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Some changes of the last tenant, in order, encoded for the wire."""

    encoded: bytes


BulkEvent: TypeAlias = Progress | ChangedTenant | ChangesPage


class BulkFacts(Protocol):
    """Makes stored tenants hold exactly what a large document says, in one transaction."""

    def run(self, order: Order, chunks: AsyncIterable[bytes], check: TenantsCheck) -> AsyncGenerator[BulkEvent, None]:
        """Yield how far the work is, then each tenant with its changes, once everything is written.

        `chunks` are the document in UTF-8. `check` is called with the tenants of the document before they are read.
        A caller that stops iterating ends the work: what was not written by then is not written.

        Raises:
            FactsError: the document is refused; nothing was written.
            RevisionConflict: other writers came first again and again; nothing was written.
            StoreUnavailable: the store does not answer; nothing was written.
            Unavailable: the work ended before it was done; nothing was written, unless the commit was under way.
        """
        ...
