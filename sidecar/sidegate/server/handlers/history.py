"""HistoryService, whatever transport carries it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.history.changes import History
from sidegate.history.watch import WatchService
from sidegate.membership.command.call import PLATFORM
from sidegate.model.change import ChangeQuery, RecordedChange
from sidegate.runtime.time_slices import in_time_slices
from sidegate.server.handlers.calls import read_call
from sidegate.server.wire.change_filters import read_conditions
from sidegate.server.wire.fact_changes import write_change
from sidegate.server.wire.names import name_of, tenant_of
from sidegate.server.wire.timestamps import read_range, write_timestamp
from sidegate.server.wire.tokens.pages import PageTokens
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals
from sidegate.server.wire.validation import Inspection
from sidegate.server.wire.watch import WatchCodec


class HistoryHandler:
    """Lists and streams changes; raises Sidegate's own errors, which the transport maps."""

    def __init__(self, history: History, watch_service: WatchService, tokens: RevisionTokens, seals: Seals) -> None:
        self._history = history
        self._watch_service = watch_service
        self._tokens = tokens
        self._pages = PageTokens(seals)
        self._codec = WatchCodec(seals)

    async def list_changes(self, message: pb.ListChangesRequest) -> pb.ListChangesResponse:
        """Return a page of changes.

        Raises:
            InvalidInput: a condition or the page's token is wrong.
            NotPermitted: the tenant's pack denies it.
            NotFound: there never was such a tenant.
        """
        tenant = tenant_of(message.parent, "parent", stored=True)
        query, page = read_change_query(message), self._pages.open(message)
        call = read_call(message, actor=message.requester or PLATFORM)
        found = await self._history.list(tenant, query, call, after=int(page.after or 0), limit=page.limit)
        changes, token = self._pages.cut(page, found, lambda recorded: str(recorded.sequence))
        response = pb.ListChangesResponse(next_page_token=token)
        async for recorded in in_time_slices(changes):
            response.changes.append(self._recorded(recorded))
        return response

    async def watch_changes(self, message: pb.WatchChangesRequest) -> AsyncGenerator[pb.WatchChangesResponse, None]:
        """Yield changes as they are written, until the caller ends the stream.

        Raises:
            InvalidInput: a condition, the cursor, the time or the heartbeat is wrong.
            NotFound: there never was such a tenant.
            TooManyWatchers: the limit of watchers is reached.
            Unavailable: the view of the store is older than the bound, or the store does not answer.
        """
        async with aclosing(self._watch_service.watch(self._codec.read(message))) as watch:
            async for page in watch:
                for response in self._codec.write(page, self._recorded):
                    yield response

    def _recorded(self, recorded: RecordedChange) -> pb.RecordedChange:
        return pb.RecordedChange(
            tenant=name_of(recorded.tenant),
            revision=self._tokens.encode(recorded.tenant, recorded.part_of),
            change=write_change(recorded.change),
            actor=recorded.actor,
            caller=recorded.caller,
            time=write_timestamp(recorded.at),
            cause=recorded.change.cause.value,
        )


def read_change_query(message: pb.ListChangesRequest) -> ChangeQuery:
    """Return which changes a request lists.

    Raises:
        InvalidInput: a condition is not right; names every one.
    """
    inspection = Inspection()
    conditions = read_conditions(message, inspection)
    since, until = read_range(message, inspection)
    if message.actor_group:
        inspection.identifier("actor_group", message.actor_group, stored=True)
    inspection.finish()
    return replace(
        conditions, actor_group=message.actor_group, since=since, until=until, oldest_first=message.oldest_first
    )
