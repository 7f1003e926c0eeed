"""ApplyFacts and ExportFacts, whatever transport carries them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from google.protobuf.struct_pb2 import Struct

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.model import Change, Properties, Revision
from sidegate.server.moments import read_moment
from sidegate.server.properties import write_properties
from sidegate.server.revision import RevisionTokens
from sidegate.server.validation import Inspection

_DEFAULT_ACTOR = "platform"
_DEFAULT_SOURCE = "facts"


class TenantChanges(Protocol):
    """What a document changes, or changed, in one tenant."""

    @property
    def tenant(self) -> str:
        """The tenant."""

    @property
    def revision(self) -> Revision:
        """The tenant's revision after the write, and before it where nothing is written."""

    @property
    def changes(self) -> Sequence[Change]:
        """The changes, in the order in which they are written."""

    @property
    def warnings(self) -> Sequence[str]:
        """What is allowed and still worth a look."""


class FactsUseCase(Protocol):
    """What is asked of the membership room."""

    async def plan(self, text: str, source: str) -> Sequence[TenantChanges]:
        """Return what a document would change, tenant by tenant."""

    async def apply(self, text: str, source: str, *, actor: str) -> Sequence[TenantChanges]:
        """Make the tenants of a document hold what it says; return what changed."""

    async def export(self, tenants: Sequence[str]) -> str:
        """Return the facts of tenants, of all where none is named, as a document."""

    async def export_at(self, tenants: Sequence[str], as_of: Revision | datetime) -> str:
        """Return the document of tenants as they were at a revision of the one that is named, or at a time."""


class Facts:
    """Reads and writes facts as documents; errors are Sidegate's own, for the transport to tell."""

    def __init__(self, use_case: FactsUseCase, tokens: RevisionTokens) -> None:
        self._use_case = use_case
        self._tokens = tokens

    async def apply_facts(self, message: pb.ApplyFactsRequest) -> pb.ApplyFactsResponse:
        """Apply a document, or only plan it.

        Raises:
            InvalidInput: a field of the request is wrong.
            FactsError: the document is refused; nothing was written.
            RevisionConflict: another writer came first; nothing was written.
            Unavailable: the store does not answer; nothing was written.
        """
        inspection = Inspection()
        if not message.document.strip():
            inspection.add("document", "is empty: expected a facts document, YAML or JSON")
        inspection.label("source", message.source)
        inspection.label("actor", message.actor)
        inspection.finish()
        source = message.source or _DEFAULT_SOURCE
        if message.validate_only:
            outcome = await self._use_case.plan(message.document, source)
        else:
            outcome = await self._use_case.apply(message.document, source, actor=message.actor or _DEFAULT_ACTOR)
        tenants = [self._tenant(tenant, written=not message.validate_only) for tenant in outcome]
        return pb.ApplyFactsResponse(tenants=tenants)

    async def export_facts(self, message: pb.ExportFactsRequest) -> pb.ExportFactsResponse:
        """Return the facts of tenants as a document.

        Raises:
            InvalidInput: a tenant's name is wrong, or what it is asked as of.
            Unavailable: the store does not answer.
        """
        inspection = Inspection()
        for position, tenant in enumerate(message.tenants):
            inspection.identifier(f"tenants[{position}]", tenant)
        as_of = self._as_of(message, inspection)
        inspection.finish()
        tenants = tuple(message.tenants)
        if as_of is None:
            return pb.ExportFactsResponse(document=await self._use_case.export(tenants))
        return pb.ExportFactsResponse(document=await self._use_case.export_at(tenants, as_of))

    def _as_of(self, message: pb.ExportFactsRequest, inspection: Inspection) -> Revision | datetime | None:
        match message.WhichOneof("as_of"):
            case None:
                return None
            case "at_time":
                return read_moment(message.at_time, "at_time", inspection)
            case field if len(message.tenants) != 1:
                inspection.add(field, "belongs to one tenant: expected exactly one in `tenants`")
                return None
            case field if not message.at_revision:
                inspection.add(field, "is empty: expected a revision that a write, an answer or the history told")
                return None
            case field:
                return self._tokens.decode(message.tenants[0], message.at_revision, field=field)

    def _tenant(self, outcome: TenantChanges, *, written: bool) -> pb.TenantChanges:
        return pb.TenantChanges(
            tenant=outcome.tenant,
            revision=self._tokens.encode(outcome.tenant, outcome.revision) if written else "",
            changes=map(write_change, outcome.changes),
            warnings=outcome.warnings,
        )


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
