"""The credentials of a gRPC call."""

from __future__ import annotations

from typing import Any

from sidegate.model.callers.credentials import Credentials
from sidegate.server.access.header import header_credentials
from sidegate.server.grpc.peer import peer_of


def credentials_of(context: Any) -> Credentials:
    """Return what a gRPC context shows of who calls; a key or token hides the certificate."""
    given = [value for name, value in context.invocation_metadata() or () if name == "authorization"]
    address: str = context.peer()
    if given:
        return header_credentials(given, peer=address)
    peer = peer_of(context)
    return Credentials(uris=peer.uris, dns_names=peer.dns_names, unix_socket=peer.unix_socket, peer=address)
