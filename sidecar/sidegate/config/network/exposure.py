"""Which addresses other machines can reach, and whether the settings protect them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator

from sidegate.config.network.listening import LAME_DUCK
from sidegate.config.settings import Settings
from sidegate.model.loopback import is_loopback

_LOCAL = "an address of this machine alone such as `127.0.0.1:8282`"


def exposed(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses that other machines can reach, as far as this one knows: all but loopback and Unix sockets.

    A name that can't be resolved, or that has one other address, counts as exposed.
    """
    return tuple(address for address in addresses if not _is_local(address))


def unprotected(settings: Settings) -> tuple[str, ...]:
    """Return what an exposed address lacks."""
    missing = (
        ("TLS (tls_certificate, tls_key)", settings.tls_certificate is None),
        ("authentication (callers)", not has_authentication(settings)),
    )
    return tuple(name for name, is_missing in missing if is_missing)


def has_authentication(settings: Settings) -> bool:
    """Return whether callers must prove who they are."""
    return settings.callers is not None


def exposure_faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the name of each setting that exposes the server without protection, and what would be right."""
    missing = " and without ".join(unprotected(settings))
    if missing and not settings.allow_insecure_network and (found := exposed(settings.listen)):
        reached = f"`{', '.join(found)}` can be reached from other machines, without {missing}"
        yield "listen", f"{reached}: expected these settings, {_LOCAL}, a Unix socket, or allow_insecure_network"
    address = settings.metrics_address
    if address is not None and not settings.allow_insecure_metrics and exposed([address]):
        lacks = "TLS, so that keys can be read" if has_authentication(settings) else "TLS and authentication"
        shown = f"`{address}` shows metrics to other machines, without {lacks}"
        yield "metrics_address", f"{shown}: expected {_LOCAL}, or allow_insecure_metrics"


def lame_duck_seconds(settings: Settings) -> float:
    """Return how long a stopping server still answers all calls: as set, else what its addresses need."""
    if settings.lame_duck is not None:
        return settings.lame_duck
    return LAME_DUCK if exposed(settings.listen) else 0.0


def _is_local(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if is_loopback(host):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(is_loopback(str(entry[4][0])) for entry in found)
