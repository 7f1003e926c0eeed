"""Unix sockets: with their mode from the start, and never in the place of a live one."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sidegate.errors import StartError
from sidegate.server.grpc import socket_files
from sidegate.server.grpc.listen_addresses import UnixAddress
from sidegate.server.grpc.socket_files import free_path, socket_binding


@pytest.fixture
def address(tmp_path: Path) -> UnixAddress:
    return UnixAddress(tmp_path / "s.sock")


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Let new files be open to everyone, as a careless service manager does."""
    before = os.umask(0)
    yield
    os.umask(before)


def listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.usefixtures("open_umask")
def test_a_socket_is_not_reachable_before_it_has_its_mode(
    address: UnixAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its mode is set the socket is in a directory that only its owner can enter; then it appears at its path."""
    seen: list[tuple[int, bool]] = []
    link = os.link

    def watched(bound: Path, path: Path) -> None:
        seen.append((mode_of(bound), path.exists()))
        link(bound, path)

    monkeypatch.setattr("os.link", watched)
    with socket_binding(address) as binding, closing(listening(binding.bind_to.path)):
        assert mode_of(binding.bind_to.path.parent) == 0o700
        assert not address.path.exists()
        binding.publish(0o600)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(address.path))

    assert seen == [(0o600, False)]
    assert mode_of(address.path) == 0o600
    assert [path.name for path in address.path.parent.iterdir()] == ["s.sock"]


def test_a_server_that_came_in_between_keeps_its_socket(address: UnixAddress) -> None:
    """A program that knows nothing of the lock binds the path meanwhile: it is not replaced."""
    with socket_binding(address) as binding, closing(listening(binding.bind_to.path)):
        other = listening(address.path)
        with pytest.raises(StartError, match="another server already does"):
            binding.publish(0o600)

    with closing(other), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address.path))
    assert [path.name for path in address.path.parent.iterdir()] == ["s.sock"]


def test_a_socket_that_replaced_ours_is_not_removed(address: UnixAddress) -> None:
    """A server that ends removes its own socket only, which it still has open: no other has its number meanwhile."""
    with socket_binding(address) as binding:
        server = listening(binding.bind_to.path)
        ours = binding.publish(0o600)
    with closing(server):
        address.path.unlink()
        with closing(listening(address.path)):
            ours.remove()
            assert address.path.is_socket()
        address.path.unlink()
        ours.remove()


def test_a_directory_whose_path_is_too_long_is_refused(tmp_path: Path) -> None:
    """The error says how long it may be."""
    directory = tmp_path / ("d" * (105 - len(os.fsencode(tmp_path)) - 1))
    directory.mkdir()
    with (
        pytest.raises(StartError, match="the path of its directory is too long: expected at most 99 bytes"),
        socket_binding(UnixAddress(directory / "s")),
    ):
        pytest.fail("there is no path to bind")


def test_two_servers_that_start_together_do_not_both_get_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes second waits until the first has bound the socket, and is then refused."""
    address = UnixAddress(tmp_path / "s.sock")
    outcome: list[object] = []
    waits = threading.Event()

    def lock(handle: int, operation: int) -> None:
        waits.set()
        fcntl.flock(handle, operation)

    def second() -> None:
        try:
            with free_path(address):
                outcome.append("free")
        except StartError as error:
            outcome.append(str(error))

    with socket.socket(socket.AF_UNIX) as server:
        with free_path(address):
            rival = threading.Thread(target=second)
            monkeypatch.setattr(socket_files, "flock", lock)
            rival.start()
            waits.wait()
            assert outcome == []
            server.bind(str(address.path))
            server.listen()
        rival.join()

    assert outcome == [f"can't listen on `{address}`: another server already does"]
