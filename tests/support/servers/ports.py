"""Ports that stay free for a test until its server listens, also between its end and its next start."""

from __future__ import annotations

import socket
from pathlib import Path
from random import SystemRandom

_CLUSTER_BUS = 10_000
"""The bus of a Redis cluster listens at this distance above its port."""
_LOWEST, _HIGHEST = 10_000, 65_535
_RESERVED: list[socket.socket] = []


def reserved_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens, and which no other test process gets while this one runs.

    The system gives it to no client either, where the range of clients' ports leaves some free.
    """
    lowest, highest = _range()
    while True:
        port = SystemRandom().randint(lowest, highest)
        if _reserve(port) and not _listens(port) and not _listens(port + _CLUSTER_BUS):
            return port


def _range() -> tuple[int, int]:
    """Return the ports below those that the system gives to clients, so that their bus is below them, too."""
    clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    highest = clients - _CLUSTER_BUS - 1
    return (_LOWEST, highest) if highest > _LOWEST + 1_000 else (_LOWEST, _HIGHEST - _CLUSTER_BUS)


def _reserve(port: int) -> bool:
    """Claim a port among all test processes of this machine by a name that the system drops with the process."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0sidegate-tests-port-{port}")
    except OSError:
        claim.close()
        return False
    _RESERVED.append(claim)
    return True


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
