"""Where the server listens: `host:port` or `unix:/path`, and whether that place is free.

The library says little when a port is taken, and takes a live server's socket away without a word.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from sidegate.errors import StartError

_MAX_PORT = 65_535
_MAX_SOCKET_PATH = 107
_CONNECT_SECONDS = 2.0


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


@contextmanager
def claimed(address: Address) -> Iterator[None]:
    """Hold an address while the server binds it.

    Raises:
        StartError: somebody has it, or it can't be had.
    """
    if isinstance(address, TcpAddress):
        _check_port(address)
        yield
    else:
        with _socket_place(address):
            yield


def _unix(text: str) -> UnixAddress:
    path = Path(text.removeprefix("unix:"))
    if not path.is_absolute():
        raise StartError(f"can't listen on `{text}`: expected an absolute path such as `unix:/run/s.sock`")
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise StartError(f"can't listen on `{text}`: expected a path of at most {_MAX_SOCKET_PATH} bytes")
    return UnixAddress(path)


def _check_port(address: TcpAddress) -> None:
    try:
        places = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise StartError(f"can't listen on `{address}`: the host `{address.host}` is unknown") from error
    failures = [failed for place in places if (failed := _bind_error(place[0], place[4]))]
    taken = [error for error in failures if error.errno == errno.EADDRINUSE]
    if taken or len(failures) == len(places):
        cause = (taken or failures)[0]
        raise StartError(f"can't listen on `{address}`: {_why(cause)}") from cause


def _bind_error(family: int, place: tuple[object, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server itself will: a port whose last connections are only winding down is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(place)
            probe.listen()
    except OSError as error:
        return error
    return None


@contextmanager
def _socket_place(address: UnixAddress) -> Iterator[None]:
    directory = address.path.parent
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StartError(f"can't listen on `{address}`: the directory `{directory}` {_missing(error)}") from error
    try:
        # Two servers that start at once must not both find the place free; the lock ends with the handle.
        flock(handle, LOCK_EX)
        _remove_stale(address)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise StartError(f"can't listen on `{address}`: the directory `{directory}` is not writable")
        yield
    finally:
        os.close(handle)


def _remove_stale(address: UnixAddress) -> None:
    try:
        mode = address.path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(f"can't listen on `{address}`: the path is a file that is not a socket")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_CONNECT_SECONDS)
            probe.connect(str(address.path))
    except ConnectionRefusedError:
        with suppress(FileNotFoundError):
            address.path.unlink()
    except OSError as error:
        # A full backlog, or a mode without access: another server may be listening.
        raise StartError(
            f"can't listen on `{address}`: can't find out whether another server does: {_why(error)}"
        ) from error
    else:
        raise StartError(f"can't listen on `{address}`: another server already does")


def _missing(error: OSError) -> str:
    return "does not exist" if error.errno == errno.ENOENT else f"can't be used: {_why(error)}"


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program already does"
        case errno.EACCES | errno.EPERM:
            return "this user may not"
        case errno.EADDRNOTAVAIL:
            return "this machine does not have that address"
        case _:
            return (error.strerror or str(error)).lower()
