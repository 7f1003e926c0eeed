"""What the transport shows of a client."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from sidegate.server.grpc.peer import Peer, peer_of

NAMES = {
    "peer_dns": [b"orders.shop.svc", "\u00fc.example".encode()],
    "peer_uri": [b"spiffe://example.org/orders"],
    "x509_subject_alternative_name": [b"spiffe://example.org/other"],
    "x509_common_name": [b"admin"],
}


@dataclass
class Context:
    """A gRPC context with what a connection shows."""

    address: str
    shown: dict[str, list[bytes]] = field(default_factory=dict)

    def peer(self) -> str:
        return self.address

    def auth_context(self) -> dict[str, list[bytes]]:
        return self.shown


def test_names_count_by_their_kind() -> None:
    """DNS names and URIs are those that the library lists as such; one that is not ASCII names nobody."""
    secured = Context("ipv4:192.0.2.1:1", {**NAMES, "transport_security_type": [b"ssl"]})
    assert peer_of(secured) == Peer(("spiffe://example.org/orders",), ("orders.shop.svc",))


@pytest.mark.parametrize("kind", [[b"insecure"], [b"local"], [], None])
def test_names_count_only_where_tls_has_proven_them(kind: list[bytes] | None) -> None:
    """What a connection shows without TLS is not taken for an identity."""
    shown = NAMES if kind is None else {**NAMES, "transport_security_type": kind}
    assert peer_of(Context("ipv4:127.0.0.1:1", shown)) == Peer()


def test_a_unix_socket_is_known_by_its_address() -> None:
    """It shows no names, and no address of the network passes for it."""
    assert peer_of(Context("unix:", NAMES)) == Peer(unix_socket=True)
    assert peer_of(Context("ipv4:127.0.0.1:1")) == Peer()
