"""QuotaService, whatever transport carries it."""

from __future__ import annotations

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.history.quota_usage import QuotaHistory
from sidegate.membership.quotas import QuotaAllocation, Quotas
from sidegate.server.handlers.calls import read_call, write_call
from sidegate.server.handlers.writes import Writes
from sidegate.server.wire.names import MEMBERS, ids_of, tenant_of
from sidegate.server.wire.quota_usage import read_cursor, read_usage_query, write_cursor, write_entry, write_total
from sidegate.server.wire.tokens.pages import PageTokens
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals


class QuotaHandler:
    """Sets, allocates, consumes, releases and lists quota; errors are Sidegate's own; the transport maps them."""

    def __init__(self, quotas: Quotas, usage: QuotaHistory, tokens: RevisionTokens, seals: Seals) -> None:
        self._quotas = quotas
        self._usage = usage
        self._tokens = tokens
        self._writes = Writes(tokens)
        self._pages = PageTokens(seals)

    async def set_quota(self, message: pb.SetQuotaRequest) -> pb.SetQuotaResponse:
        """Set what one member has left.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.SetQuotaResponse,
            use_case=lambda call: self._quotas.assign(tenant, member, message.quota, call),
            respond=lambda left: pb.SetQuotaResponse(quota=left),
        )

    async def allocate_quota(self, message: pb.AllocateQuotaRequest) -> pb.AllocateQuotaResponse:
        """Share a quota evenly.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent")

        def respond(shared: QuotaAllocation) -> pb.AllocateQuotaResponse:
            return pb.AllocateQuotaResponse(members=shared.members, share=shared.share, remainder=shared.remainder)

        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.AllocateQuotaResponse,
            use_case=lambda call: self._quotas.allocate(tenant, message.total, call),
            respond=respond,
        )

    async def consume_quota(self, message: pb.ConsumeQuotaRequest) -> pb.ConsumeQuotaResponse:
        """Consume from what a member has left.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.ConsumeQuotaResponse,
            use_case=lambda call: self._quotas.consume(tenant, member, message.amount or 1, call),
            respond=lambda left: pb.ConsumeQuotaResponse(quota=left),
        )

    async def release_quota(self, message: pb.ReleaseQuotaRequest) -> pb.ReleaseQuotaResponse:
        """Release what was consumed.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.ReleaseQuotaResponse,
            use_case=lambda call: self._quotas.release(tenant, member, message.amount or 1, call),
            respond=lambda left: pb.ReleaseQuotaResponse(quota=left),
        )

    async def list_quota_usage(self, message: pb.ListQuotaUsageRequest) -> pb.ListQuotaUsageResponse:
        """Return a page of what was used.

        Raises:
            InvalidInput: a condition or the page's token is wrong.
            NotPermitted: the tenant's pack denies it.
            NotFound: there never was such a tenant.
        """
        tenant, call = tenant_of(message.parent, "parent", stored=True), read_call(message)
        query, page = read_usage_query(message), self._pages.open(message)
        if message.step == pb.QUOTA_STEP_ENTRY:
            last = int(page.after or 0)
            changes = await self._usage.entries(tenant, query, call, after=last, limit=page.limit)
            entries, token = self._pages.cut(page, changes, lambda recorded: str(recorded.sequence))
            return pb.ListQuotaUsageResponse(usage=map(write_entry, entries), next_page_token=token)
        found = await self._usage.totals(tenant, query, call, after=read_cursor(page.after), limit=page.limit)
        totals, token = self._pages.cut(page, found, write_cursor)
        return pb.ListQuotaUsageResponse(usage=map(write_total, totals), next_page_token=token)
