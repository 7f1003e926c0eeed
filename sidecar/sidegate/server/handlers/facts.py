"""ApplyFacts, ImportFacts and ExportFacts, whatever transport carries them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Final

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.errors import InvalidInput, Violation
from sidegate.facts.apply import FactsDocuments, TenantChanges, TooLargeHere
from sidegate.history.past_facts import PastFacts
from sidegate.model.callers.caller import Right
from sidegate.model.revision import Revision
from sidegate.ports.bulk_facts import BulkFacts, ChangedTenant, ChangesPage, Order, Progress
from sidegate.runtime.time_slices import in_time_slices
from sidegate.server.access.gate import require_tenants_later
from sidegate.server.calls.current_caller import current_caller
from sidegate.server.wire.fact_changes import EncodedResponse, encoded_tenant, write_change
from sidegate.server.wire.timestamps import read_timestamp
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.validation import Inspection

_DEFAULT_ACTOR = "platform"
_DEFAULT_SOURCE = "facts"
_SMALL: Final = 64 * 1024
"""Characters of a document that is handled in this process; it takes well under a second."""
_CHUNK: Final = 1024 * 1024


class FactsHandler:
    """Reads and writes facts as documents; errors are Sidegate's own; the transport maps them."""

    def __init__(
        self, documents: FactsDocuments, past: PastFacts, tokens: RevisionTokens, *, bulk: BulkFacts | None = None
    ) -> None:
        """Handle large documents by `bulk`; without it `documents` handles all."""
        self._documents = documents
        self._past = past
        self._tokens = tokens
        self._bulk = bulk

    async def apply_facts(self, message: pb.ApplyFactsRequest) -> pb.ApplyFactsResponse | EncodedResponse:
        """Apply a document, or only plan it.

        Raises:
            InvalidInput: a field of the request is wrong.
            TenantNotAllowed: the caller may not write one of its tenants; nothing was written.
            FactsError: the document is refused; nothing was written.
            RevisionConflict: another writer came first; nothing was written.
            Unavailable: the store does not answer; nothing was written.
        """
        inspection = Inspection()
        document = message.document  # each access makes another copy
        if not document or document.isspace():
            inspection.add("document", "is empty: expected a facts document, YAML or JSON")
        inspection.label("source", message.source)
        inspection.author("actor", message.actor)
        inspection.finish()
        order = Order(
            message.source or _DEFAULT_SOURCE,
            write=not message.validate_only,
            actor=message.actor or _DEFAULT_ACTOR,
            caller=current_caller().name,
        )
        if self._bulk is None:
            return await self._apply_here(document, order)
        with suppress(TooLargeHere):
            if len(document) <= _SMALL:
                return await self._apply_here(document, order)
        return await self._apply_elsewhere(self._bulk, document, order)

    async def _apply_here(self, document: str, order: Order) -> pb.ApplyFactsResponse:
        if order.write:
            outcome = await self._documents.apply(
                document, order.source, actor=order.actor, caller=order.caller, check=_require_tenants
            )
        else:
            outcome = await self._documents.plan(document, order.source, check=_require_tenants)
        response = pb.ApplyFactsResponse()
        for changed in outcome:
            await self._write(response.tenants.add(), changed, written=order.write)
        return response

    async def _apply_elsewhere(self, bulk: BulkFacts, document: str, order: Order) -> EncodedResponse:
        parts: list[bytes] = []
        pages: list[bytes] = []
        head: pb.TenantChanges | None = None
        async with aclosing(bulk.run(order, _chunks(document), _require_tenants)) as events:
            async for event in events:
                if isinstance(event, ChangesPage):
                    pages.append(event.encoded)
                elif isinstance(event, ChangedTenant):
                    parts += encoded_tenant(head, pages) if head else ()
                    head, pages = self._head(event, written=order.write), []
        parts += encoded_tenant(head, pages) if head else ()
        return EncodedResponse(parts)

    async def import_facts(
        self, messages: AsyncGenerator[pb.ImportFactsRequest, None]
    ) -> AsyncGenerator[pb.ImportFactsResponse, None]:
        """Apply a document that comes in chunks, or only plan it; yield how far that is, then what changed.

        Raises:
            InvalidInput: a message is wrong.
            TenantNotAllowed: the caller may not write one of its tenants; nothing was written.
            FactsError: the document is refused; nothing was written.
            RevisionConflict: another writer came first; nothing was written.
            Unavailable: the store does not answer; nothing was written.
        """
        assert self._bulk is not None
        order = _import_order(await anext(messages))
        tenant = ""
        async with aclosing(self._bulk.run(order, _received(messages), _require_tenants)) as events:
            async for event in events:
                match event:
                    case Progress(stage, size):
                        yield pb.ImportFactsResponse(progress=pb.ImportFactsProgress(stage=stage, changes=size))
                    case ChangedTenant(tenant):
                        yield pb.ImportFactsResponse(tenant=self._head(event, written=order.write))
                    case ChangesPage(encoded):
                        page = pb.TenantChanges.FromString(encoded)
                        page.tenant = tenant
                        yield pb.ImportFactsResponse(tenant=page)

    async def export_facts(self, message: pb.ExportFactsRequest) -> pb.ExportFactsResponse:
        """Return the facts of tenants as a document.

        Raises:
            InvalidInput: a tenant's name is wrong, or what it is asked as of.
            Unavailable: the store does not answer.
        """
        inspection = Inspection()
        for position, tenant in enumerate(message.tenants):
            inspection.identifier(f"tenants[{position}]", tenant, stored=True)
        as_of = self._as_of(message, inspection)
        inspection.finish()
        tenants = tuple(message.tenants)
        if as_of is None:
            return pb.ExportFactsResponse(document=await self._documents.export(tenants))
        return pb.ExportFactsResponse(document=await self._past.export(tenants, as_of))

    def _as_of(self, message: pb.ExportFactsRequest, inspection: Inspection) -> Revision | datetime | None:
        match message.WhichOneof("as_of"):
            case None:
                return None
            case "at_time":
                return read_timestamp(message.at_time, "at_time", inspection)
            case field if len(message.tenants) != 1:
                inspection.add(field, "belongs to one tenant: expected exactly one in `tenants`")
                return None
            case field if not message.at_revision:
                inspection.add(field, "is empty: expected a revision that a write, an answer or the history returned")
                return None
            case field:
                return self._tokens.decode(message.tenants[0], message.at_revision, field=field)

    async def _write(self, message: pb.TenantChanges, outcome: TenantChanges, *, written: bool) -> None:
        """Write what changed in a tenant into its message: to copy thousands of changes would hold up other calls."""
        message.MergeFrom(
            self._head(ChangedTenant(outcome.tenant, outcome.revision, outcome.warnings), written=written)
        )
        async for change in in_time_slices(outcome.changes):
            message.changes.append(write_change(change))

    def _head(self, tenant: ChangedTenant, *, written: bool) -> pb.TenantChanges:
        return pb.TenantChanges(
            tenant=tenant.tenant,
            revision=self._tokens.encode(tenant.tenant, tenant.revision) if written else "",
            warnings=tenant.warnings,
        )


def _import_order(message: pb.ImportFactsRequest) -> Order:
    inspection = Inspection()
    if message.WhichOneof("part") != "options":
        inspection.add("options", "is missing: expected it in the first message")
    options = message.options
    inspection.label("options.source", options.source)
    inspection.author("options.actor", options.actor)
    inspection.finish()
    return Order(
        options.source or _DEFAULT_SOURCE,
        write=not options.validate_only,
        actor=options.actor or _DEFAULT_ACTOR,
        caller=current_caller().name,
    )


async def _received(messages: AsyncGenerator[pb.ImportFactsRequest, None]) -> AsyncIterator[bytes]:
    async for message in messages:
        if message.WhichOneof("part") != "chunk":
            raise InvalidInput(Violation("chunk", "is missing: expected one in every message but the first"))
        yield message.chunk


async def _chunks(document: str) -> AsyncIterator[bytes]:
    for start in range(0, len(document), _CHUNK):
        yield document[start : start + _CHUNK].encode()


def _require_tenants(tenants: Sequence[str]) -> None:
    """Check that the current caller may write these tenants."""
    require_tenants_later(Right.FACTS_BULK, tenants)
