"""Unix sockets that appear with their mode, and never in the place of a live one.

The library would take a live server's socket away, and would leave a new one open to others until its mode is set.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Final

from sidegate.errors import StartError
from sidegate.server.grpc.listen_addresses import MAX_SOCKET_PATH, UnixAddress, why

_CONNECT_SECONDS: Final = 2.0
_ANOTHER: Final = "another server already does"


@dataclass(frozen=True, slots=True)
class SocketFile:
    """A socket that this process has put at a path."""

    path: Path
    _device: int
    _inode: int

    def remove(self) -> None:
        """Remove the socket, unless another one is there by now."""
        with suppress(FileNotFoundError):
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == (self._device, self._inode):
                self.path.unlink()


@contextmanager
def free_path(address: UnixAddress) -> Iterator[None]:
    """Hold a path at which no server listens; a socket that a dead one has left there is removed.

    Raises:
        StartError: a server listens there, or the path can't be used.
    """
    directory = address.path.parent
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StartError(f"can't listen on `{address}`: the directory `{directory}` {_missing(error)}") from error
    try:
        # Two servers that start together must not both find the path free; the lock ends with the handle.
        flock(handle, LOCK_EX)
        _remove_stale(address)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise StartError(f"can't listen on `{address}`: the directory `{directory}` is not writable")
        yield
    finally:
        os.close(handle)


class SocketBinding:
    """A free path, and where to bind the socket that will then be put there.

    The socket is bound in a directory that only its owner can enter, gets its mode there, and is then linked to the
    path: no program can connect before the socket has its mode.
    """

    def __init__(self, address: UnixAddress, private: Path) -> None:
        self._address = address
        self.bind_to = UnixAddress(private / "s")

    def publish(self, mode: int) -> SocketFile:
        """Put the bound socket at its path.

        Raises:
            StartError: another program has put something there meanwhile.
            OSError: it can't be put there.
        """
        bound = self.bind_to.path
        bound.chmod(mode)
        try:
            os.link(bound, self._address.path)
        except FileExistsError as error:
            raise StartError(f"can't listen on `{self._address}`: {_ANOTHER}") from error
        found = bound.lstat()
        return SocketFile(self._address.path, found.st_dev, found.st_ino)


@contextmanager
def socket_binding(address: UnixAddress) -> Iterator[SocketBinding]:
    """Hold a free path while a socket is bound for it.

    Raises:
        StartError: a server listens there, or the path can't be used.
    """
    with free_path(address):
        private = _private_directory(address)
        try:
            yield SocketBinding(address, private)
        finally:
            (private / "s").unlink(missing_ok=True)
            private.rmdir()


def _private_directory(address: UnixAddress) -> Path:
    while True:
        private = address.path.parent / f".{secrets.token_hex(2)}"
        if len(os.fsencode(private / "s")) > MAX_SOCKET_PATH:
            raise StartError(
                f"can't listen on `{address}`: the path of its directory is too long: expected at most "
                f"{MAX_SOCKET_PATH - len('/.0000/s')} bytes"
            )
        with suppress(FileExistsError):
            private.mkdir(mode=0o700)
            return private


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
            f"can't listen on `{address}`: can't find out whether another server does: {why(error)}"
        ) from error
    else:
        raise StartError(f"can't listen on `{address}`: {_ANOTHER}")


def _missing(error: OSError) -> str:
    return "does not exist" if error.errno == errno.ENOENT else f"can't be used: {why(error)}"
