"""The credentials of a gRPC call."""

from __future__ import annotations

from typing import Any, Final

from sidegate.model.credentials import Credentials
from sidegate.server.grpc.peer import peer_of

_SCHEME: Final = "bearer "
_MAX_BEARER: Final = 16 * 1024
_WRONG: Final = "expected one header `authorization: Bearer` and a key or token"


def credentials_of(context: Any) -> Credentials:
    """Return what a gRPC context shows of who calls; a key or token hides the certificate."""
    given = [value for name, value in context.invocation_metadata() or () if name == "authorization"]
    address: str = context.peer()
    if given:
        bearer = _bearer(given)
        return Credentials(bearer, malformed="" if bearer else _WRONG, peer=address)
    peer = peer_of(context)
    unix = address.startswith("unix:")
    return Credentials(uris=peer.uris, dns_names=peer.dns_names, unix_socket=unix, peer=address)


def _bearer(given: list[str]) -> str:
    """Return the key or token of the header; "" where it has another form, or occurs twice."""
    value = given[0]
    if len(given) > 1 or len(value) > _MAX_BEARER or value[: len(_SCHEME)].lower() != _SCHEME:
        return ""
    return value[len(_SCHEME) :].strip()
