"""What the transport knows of the other end of a call's connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sidegate.model.loopback import is_loopback


@dataclass(frozen=True, slots=True)
class Peer:
    """The names in the certificate that the client has proven to be its own, and whether it is on this machine.

    Both are empty without mutual TLS. URIs are SPIFFE identities, for example. A client that comes through a proxy on
    this machine counts as local.
    """

    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    local: bool = False


def peer_of(context: Any) -> Peer:
    """Return the peer of a gRPC context."""
    found = context.auth_context()
    local = _is_local(context.peer())
    if found.get("transport_security_type") != [b"ssl"]:
        return Peer(local=local)
    # By kind, never `x509_subject_alternative_name`: there a DNS name could be written like a URI.
    return Peer(_texts(found.get("peer_uri", ())), _texts(found.get("peer_dns", ())), local=local)


def _texts(values: Any) -> tuple[str, ...]:
    """Return the names as text; one that is not ASCII names nobody."""
    return tuple(value.decode("ascii") for value in values if value.isascii())


def _is_local(peer: str) -> bool:
    kind, _, place = peer.partition(":")
    if kind == "unix":
        return True
    host = place.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
    return kind in {"ipv4", "ipv6"} and is_loopback(host)
