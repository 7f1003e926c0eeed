"""What the transport knows of the other end of a call's connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Peer:
    """The names in the certificate that the client has proven to be its own, and whether it came by a Unix socket.

    The names are empty without mutual TLS. URIs are SPIFFE identities, for example.
    """

    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    unix_socket: bool = False


def peer_of(context: Any) -> Peer:
    """Return the peer of a gRPC context."""
    if context.peer().startswith("unix:"):
        return Peer(unix_socket=True)
    found = context.auth_context()
    if found.get("transport_security_type") != [b"ssl"]:
        return Peer()
    # By kind, never `x509_subject_alternative_name`: there a DNS name could be written like a URI.
    return Peer(_texts(found.get("peer_uri", ())), _texts(found.get("peer_dns", ())))


def _texts(values: Any) -> tuple[str, ...]:
    """Return the names as text; one that is not ASCII names nobody."""
    return tuple(value.decode("ascii") for value in values if value.isascii())
