"""QuotaService, whatever transport carries it."""

from __future__ import annotations

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.history.quota_usage import Usage
from sidegate.membership.quotas import Quotas, Shared
from sidegate.server.handlers.callers import bytes_of, caller_of, read_back, reader_of
from sidegate.server.wire.names import MEMBERS, ids_of, tenant_of
from sidegate.server.wire.quota_usage import read_place, read_usage_query, write_entry, write_place, write_total
from sidegate.server.wire.tokens.pages import Pages
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals


class QuotaHandler:
    """Sets, shares, takes, gives back and tells quota; errors are Sidegate's own, for the transport to tell."""

    def __init__(self, quotas: Quotas, usage: Usage, tokens: RevisionTokens, seals: Seals) -> None:
        self._quotas = quotas
        self._usage = usage
        self._tokens = tokens
        self._pages = Pages(seals)

    async def set_quota(self, message: pb.SetQuotaRequest) -> pb.SetQuotaResponse:
        """Set what one member has left.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name")
        written = await self._quotas.assign(
            tenant, member, message.quota, caller_of(message), lambda left: bytes_of(pb.SetQuotaResponse(quota=left))
        )
        return read_back(pb.SetQuotaResponse, written, tenant, tokens=self._tokens)

    async def allocate_quota(self, message: pb.AllocateQuotaRequest) -> pb.AllocateQuotaResponse:
        """Share a quota evenly.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent")

        def respond(shared: Shared) -> bytes:
            return bytes_of(
                pb.AllocateQuotaResponse(members=shared.members, share=shared.share, remainder=shared.remainder)
            )

        written = await self._quotas.allocate(tenant, message.total, caller_of(message), respond)
        return read_back(pb.AllocateQuotaResponse, written, tenant, tokens=self._tokens)

    async def consume_quota(self, message: pb.ConsumeQuotaRequest) -> pb.ConsumeQuotaResponse:
        """Take from what a member has left.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name")
        written = await self._quotas.consume(
            tenant,
            member,
            message.amount or 1,
            caller_of(message),
            lambda left: bytes_of(pb.ConsumeQuotaResponse(quota=left)),
        )
        return read_back(pb.ConsumeQuotaResponse, written, tenant, tokens=self._tokens)

    async def release_quota(self, message: pb.ReleaseQuotaRequest) -> pb.ReleaseQuotaResponse:
        """Give back what was taken.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, member = ids_of(message.name, MEMBERS, "name")
        written = await self._quotas.release(
            tenant,
            member,
            message.amount or 1,
            caller_of(message),
            lambda left: bytes_of(pb.ReleaseQuotaResponse(quota=left)),
        )
        return read_back(pb.ReleaseQuotaResponse, written, tenant, tokens=self._tokens)

    async def list_quota_usage(self, message: pb.ListQuotaUsageRequest) -> pb.ListQuotaUsageResponse:
        """Return a page of what was used.

        Raises:
            InvalidInput: a condition or the page's token is wrong.
            NotPermitted: the tenant's pack denies it.
            NotFound: there never was such a tenant.
        """
        tenant, caller = tenant_of(message.parent, "parent"), reader_of(message)
        query, page = read_usage_query(message), self._pages.open(message)
        if message.step == pb.QUOTA_STEP_ENTRY:
            last = int(page.after or 0)
            changes = await self._usage.entries(tenant, query, caller, after=last, limit=page.limit)
            entries, token = self._pages.cut(page, changes, lambda recorded: str(recorded.sequence))
            return pb.ListQuotaUsageResponse(usage=map(write_entry, entries), next_page_token=token)
        found = await self._usage.totals(tenant, query, caller, after=read_place(page.after), limit=page.limit)
        totals, token = self._pages.cut(page, found, write_place)
        return pb.ListQuotaUsageResponse(usage=map(write_total, totals), next_page_token=token)
