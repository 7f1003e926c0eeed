"""Where the server listens: `host:port` or `unix:/path`, and whether a port is free.

The library's own error does not say why a port can't be had.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from sidegate.errors import StartError

_MAX_PORT = 65_535
MAX_SOCKET_PATH = 107
"""The most bytes of the path of a Unix socket."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host, IPv6 without its brackets, and a port; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """The address as gRPC wants it."""
        return str(self)


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix socket."""

    path: Path

    def __str__(self) -> str:
        """Return `unix:/path`."""
        return f"unix:{self.path}"

    @property
    def target(self) -> str:
        """The address as gRPC wants it: a URI."""
        return f"unix:{quote(os.fsencode(self.path))}"


Address: TypeAlias = TcpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """Return the address that a text names.

    Raises:
        StartError: it names none.
    """
    if text.startswith("unix:"):
        return _unix(text)
    host, separator, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    right = separator and host and port.isascii() and port.isdecimal() and (bracketed or ":" not in host)
    if not right or int(port) > _MAX_PORT:
        raise StartError(
            f"can't listen on `{text}`: expected an address such as `127.0.0.1:8282` or `unix:/run/s.sock`"
        )
    return TcpAddress(host, int(port))


def check_port(address: TcpAddress) -> None:
    """Check that a port is free.

    Raises:
        StartError: somebody has it, or it can't be had.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise StartError(f"can't listen on `{address}`: the host `{address.host}` is unknown") from error
    failures = [failed for each in found if (failed := _bind_error(each[0], each[4]))]
    taken = [error for error in failures if error.errno == errno.EADDRINUSE]
    if taken or len(failures) == len(found):
        cause = (taken or failures)[0]
        raise StartError(f"can't listen on `{address}`: {why(cause)}") from cause


def _unix(text: str) -> UnixAddress:
    path = Path(text.removeprefix("unix:"))
    if not path.is_absolute():
        raise StartError(f"can't listen on `{text}`: expected an absolute path such as `unix:/run/s.sock`")
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise StartError(f"can't listen on `{text}`: expected a path of at most {MAX_SOCKET_PATH} bytes")
    return UnixAddress(path)


def _bind_error(family: int, address: tuple[object, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server itself will: a port whose last connections are only winding down is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        return error
    return None


def why(error: OSError) -> str:
    """Return the reason why an address can't be had."""
    match error.errno:
        case errno.EADDRINUSE:
            return "another program already does"
        case errno.EACCES | errno.EPERM:
            return "this user may not"
        case errno.EADDRNOTAVAIL:
            return "this machine does not have that address"
        case _:
            return (error.strerror or str(error)).lower()
