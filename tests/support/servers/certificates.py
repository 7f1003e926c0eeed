"""Certificates for tests of TLS: an authority, a server at 127.0.0.1, and a client that it knows."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Issued:
    """PEM files of one authority, and what a server needs that shows its certificate and asks for the client's."""

    ca: Path
    certificate: Path
    key: Path
    server: ssl.SSLContext


def issue(directory: Path, host: str = "127.0.0.1") -> Issued:
    """Issue certificates for a server of this name and for a client."""
    authority = trustme.CA()
    issued = authority.issue_cert("sidegate@example.com")
    ca, certificate, key = (directory / f"{host}-{name}.pem" for name in ("ca", "client", "key"))
    authority.cert_pem.write_to_path(str(ca))
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server)
    authority.issue_cert(host).configure_cert(server)
    return Issued(ca, certificate, key, server)
