"""HistoryService, whatever transport carries it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.membership.history import History
from sidegate.membership.step import PLATFORM
from sidegate.model import ChangeQuery, Entity, RecordedChange, ref
from sidegate.server.callers import reader_of
from sidegate.server.facts import write_change
from sidegate.server.moments import read_moment, write_moment
from sidegate.server.names import name_of, tenant_of
from sidegate.server.pages import Pages
from sidegate.server.revision import RevisionTokens
from sidegate.server.seals import Seals
from sidegate.server.validation import Inspection, quoted

_KINDS: Final = tuple(entity.value for entity in Entity)


class HistoryHandler:
    """Tells changes; errors are Sidegate's own, for the transport to tell."""

    def __init__(self, history: History, tokens: RevisionTokens, seals: Seals) -> None:
        self._history = history
        self._tokens = tokens
        self._pages = Pages(seals)

    async def list_changes(self, message: pb.ListChangesRequest) -> pb.ListChangesResponse:
        """Return a page of changes.

        Raises:
            InvalidInput: a condition or the page's token is wrong.
            NotPermitted: the tenant's pack denies it.
            NotFound: there never was such a tenant.
        """
        tenant = tenant_of(message.parent, "parent")
        query, page = read_change_query(message), self._pages.open(message)
        caller = reader_of(message, actor=message.requester or PLATFORM)
        found = await self._history.list(tenant, query, caller, after=int(page.after or 0), limit=page.limit)
        changes, token = self._pages.cut(page, found, lambda recorded: str(recorded.sequence))
        return pb.ListChangesResponse(changes=map(self._recorded, changes), next_page_token=token)

    def _recorded(self, recorded: RecordedChange) -> pb.RecordedChange:
        return pb.RecordedChange(
            tenant=name_of(recorded.tenant),
            revision=self._tokens.encode(recorded.tenant, recorded.revision),
            change=write_change(recorded.change),
            actor=recorded.actor,
            time=write_moment(recorded.at),
        )


def read_change_query(message: pb.ListChangesRequest) -> ChangeQuery:
    """Return which changes a request asks for.

    Raises:
        InvalidInput: a condition is not right; names every one.
    """
    inspection = Inspection()
    subjects: list[str] = []
    # The one that few changes name leads the way: a document before a member, a role last.
    for field in ("member", "group", "role"):
        if id_ := getattr(message, field):
            inspection.identifier(field, id_)
            subjects.append(ref(field, id_))
    if message.resource:
        inspection.identifier("resource", message.resource)
        if ":" not in message.resource:
            inspection.add("resource", f"{quoted(message.resource)} is not right: expected `<type>:<id>`")
        subjects.insert(0, message.resource)
    inspection.label("actor", message.actor)
    if message.kind and message.kind not in _KINDS:
        inspection.add("kind", f"{quoted(message.kind)} is no kind: expected one of {', '.join(_KINDS)}")
    since, until = (_moment(message, field, inspection) for field in ("start_time", "end_time"))
    inspection.finish()
    return ChangeQuery(
        subjects=tuple(subjects),
        actor=message.actor,
        entity=Entity(message.kind) if message.kind else None,
        since=since,
        until=until,
        oldest_first=message.oldest_first,
    )


def _moment(message: pb.ListChangesRequest, field: str, inspection: Inspection) -> datetime | None:
    given = {name.name for name, _ in message.ListFields()}
    return read_moment(getattr(message, field), field, inspection) if field in given else None
