"""Channels to a sidecar: over TLS, in clear, or over a Unix socket."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc import aio

from sidegate.client.bearer import bearer_interceptors
from sidegate.errors import Fault, FaultyFiles, InvalidInput, Violation
from sidegate.model.loopback import is_loopback
from sidegate.server.grpc.listen_addresses import Address, UnixAddress, parse_address


@dataclass(frozen=True, slots=True)
class ClientTls:
    """The PEM files of a client: the authorities of the server's certificate, and what it shows of its own."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None


def open_channel(
    address: str, tls: ClientTls | None = None, *, token: str = "", options: Sequence[tuple[str, int]] = ()
) -> aio.Channel:
    """Return a channel; a Unix socket has no TLS, whatever `tls` is. Each call sends `token`, where there is one.

    Raises:
        FaultyFiles: a file of `tls` can't be used.
        InvalidInput: the token could be read on its way: to another machine, without TLS.
    """
    parsed = parse_address(address)
    if token and tls is None and not _is_local(parsed):
        raise InvalidInput(Violation("token", f"on its way to `{address}` it could be read: expected TLS for it"))
    if tls is None or isinstance(parsed, UnixAddress):
        return aio.insecure_channel(parsed.target, options=options, interceptors=bearer_interceptors(token))
    return aio.secure_channel(
        parsed.target, _credentials(tls), options=options, interceptors=bearer_interceptors(token)
    )


def _is_local(address: Address) -> bool:
    return isinstance(address, UnixAddress) or address.host == "localhost" or is_loopback(address.host)


def _credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(tls.ca)
    except OSError as error:  # an SSLError is one
        raise _unusable(tls.ca, "a PEM file with the certificates of authorities") from error
    if tls.certificate is None or tls.key is None:
        return grpc.ssl_channel_credentials(tls.ca.read_bytes())
    try:
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ValueError) as error:
        raise _unusable(
            tls.certificate, f"a PEM file, and in `{tls.key}` the key of this certificate without a passphrase"
        ) from error
    return grpc.ssl_channel_credentials(tls.ca.read_bytes(), tls.key.read_bytes(), tls.certificate.read_bytes())


def _unusable(path: Path, expected: str) -> FaultyFiles:
    return FaultyFiles(Fault(str(path), 0, "", f"can't be used for TLS: expected {expected}"))
