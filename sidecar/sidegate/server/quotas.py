"""QuotaService, whatever transport carries it."""

from __future__ import annotations

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.membership.quotas import Quotas, Shared
from sidegate.server.callers import bytes_of, caller_of, read_back
from sidegate.server.names import MEMBERS, ids_of, tenant_of
from sidegate.server.revision import RevisionTokens


class QuotaHandler:
    """Sets, shares, takes and gives back quota; errors are Sidegate's own, for the transport to tell."""

    def __init__(self, quotas: Quotas, tokens: RevisionTokens) -> None:
        self._quotas = quotas
        self._tokens = tokens

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
