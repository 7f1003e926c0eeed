"""ApplyFacts and ExportFacts, whatever transport carries them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.struct_pb2 import Struct

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.facts.apply import FactsDocuments, TenantChanges
from sidegate.history.past_facts import PastFacts
from sidegate.model.callers.caller import Right
from sidegate.model.change import Change
from sidegate.model.properties import Properties
from sidegate.model.revision import Revision
from sidegate.runtime.time_slices import in_time_slices
from sidegate.server.access.gate import require_tenants
from sidegate.server.calls.current_caller import current_caller
from sidegate.server.wire.properties import write_properties
from sidegate.server.wire.timestamps import read_timestamp
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.validation import Inspection

_DEFAULT_ACTOR = "platform"
_DEFAULT_SOURCE = "facts"


class FactsHandler:
    """Reads and writes facts as documents; errors are Sidegate's own; the transport maps them."""

    def __init__(self, documents: FactsDocuments, past: PastFacts, tokens: RevisionTokens) -> None:
        self._documents = documents
        self._past = past
        self._tokens = tokens

    async def apply_facts(self, message: pb.ApplyFactsRequest) -> pb.ApplyFactsResponse:
        """Apply a document, or only plan it.

        Raises:
            InvalidInput: a field of the request is wrong.
            TenantNotAllowed: the caller may not write one of its tenants; nothing was written.
            FactsError: the document is refused; nothing was written.
            RevisionConflict: another writer came first; nothing was written.
            Unavailable: the store does not answer; nothing was written.
        """
        inspection = Inspection()
        if not message.document.strip():
            inspection.add("document", "is empty: expected a facts document, YAML or JSON")
        inspection.label("source", message.source)
        inspection.author("actor", message.actor)
        inspection.finish()
        source = message.source or _DEFAULT_SOURCE
        if message.validate_only:
            outcome = await self._documents.plan(message.document, source, check=_require_tenants)
        else:
            actor, caller = message.actor or _DEFAULT_ACTOR, current_caller().name
            outcome = await self._documents.apply(
                message.document, source, actor=actor, caller=caller, check=_require_tenants
            )
        response = pb.ApplyFactsResponse()
        for changed in outcome:
            await self._write(response.tenants.add(), changed, written=not message.validate_only)
        return response

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
        message.tenant = outcome.tenant
        message.revision = self._tokens.encode(outcome.tenant, outcome.revision) if written else ""
        message.warnings.extend(outcome.warnings)
        async for change in in_time_slices(outcome.changes):
            message.changes.append(write_change(change))


def _require_tenants(tenants: Sequence[str]) -> None:
    """Check that the current caller may write these tenants."""
    require_tenants(current_caller(), Right.FACTS_BULK, tenants)


def write_change(change: Change) -> pb.FactChange:
    """Return a change as clients see it."""
    return pb.FactChange(
        entity=change.entity,
        key=change.key,
        before=_payload(change.before),
        after=_payload(change.after),
    )


def _payload(payload: Properties | None) -> Struct | None:
    return None if payload is None else write_properties(payload)
