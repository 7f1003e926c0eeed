"""The gRPC face of the handlers: nothing but the transport."""

from __future__ import annotations

from typing import Any

from sidegate.authz.v1 import authorization_pb2, authorization_pb2_grpc, facts_pb2, facts_pb2_grpc
from sidegate.server.authorization import Authorization
from sidegate.server.facts import Facts

SERVICES = tuple(
    descriptor.full_name
    for file in (authorization_pb2.DESCRIPTOR, facts_pb2.DESCRIPTOR)
    for descriptor in file.services_by_name.values()
)
"""The full names of Sidegate's services."""


class AuthorizationServicer(authorization_pb2_grpc.AuthorizationServiceServicer):
    """Carries AuthorizationService over gRPC."""

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    async def Check(  # noqa: N802 - the RPC's name
        self, request: authorization_pb2.CheckRequest, _context: Any
    ) -> authorization_pb2.CheckResponse:
        """Decide one question."""
        return await self._authorization.check(request)

    async def BatchCheck(  # noqa: N802 - the RPC's name
        self, request: authorization_pb2.BatchCheckRequest, _context: Any
    ) -> authorization_pb2.BatchCheckResponse:
        """Decide several questions."""
        return await self._authorization.batch_check(request)


class FactsServicer(facts_pb2_grpc.FactsServiceServicer):
    """Carries FactsService over gRPC."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def ApplyFacts(  # noqa: N802 - the RPC's name
        self, request: facts_pb2.ApplyFactsRequest, _context: Any
    ) -> facts_pb2.ApplyFactsResponse:
        """Apply a facts document."""
        return await self._facts.apply(request)

    async def ExportFacts(  # noqa: N802 - the RPC's name
        self, request: facts_pb2.ExportFactsRequest, _context: Any
    ) -> facts_pb2.ExportFactsResponse:
        """Export tenants as a facts document."""
        return await self._facts.export(request)


def add_services(server: Any, authorization: Authorization, facts: Facts) -> None:
    """Register Sidegate's services at a grpc.aio server."""
    authorization_pb2_grpc.add_AuthorizationServiceServicer_to_server(AuthorizationServicer(authorization), server)
    facts_pb2_grpc.add_FactsServiceServicer_to_server(FactsServicer(facts), server)
