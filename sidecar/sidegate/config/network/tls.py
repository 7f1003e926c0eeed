"""The certificates that the server shows, and those that it asks its clients for."""

from __future__ import annotations

from pydantic import BaseModel, FilePath

from sidegate.config.field import setting


class TlsSettings(BaseModel):
    """How connections to the gRPC addresses are protected."""

    tls_certificate: FilePath | None = setting(
        None,
        "The certificate of the server, followed by its chain; goes with tls_key. With it all TCP addresses of "
        "`listen` speak TLS only; Unix sockets stay as they are. A changed file takes effect for new connections.",
        expected="a PEM file",
    )
    tls_key: FilePath | None = setting(
        None, "The private key of tls_certificate.", expected="a PEM file, its key without a passphrase"
    )
    tls_client_ca: FilePath | None = setting(
        None,
        "The authorities whose certificates clients must show (mutual TLS). Unset: clients show none. A changed file "
        "takes effect for new connections.",
        expected="a PEM file",
    )
