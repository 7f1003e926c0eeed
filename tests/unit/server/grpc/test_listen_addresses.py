"""Addresses as texts."""

import socket
from pathlib import Path

import pytest

from sidegate.errors import StartError
from sidegate.server.grpc.listen_addresses import TcpAddress, UnixAddress, check_port, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8282", TcpAddress("127.0.0.1", 8282)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("[::1]:8282", TcpAddress("::1", 8282)),
        ("unix:/run/s.sock", UnixAddress(Path("/run/s.sock"))),
    ],
)
def test_an_address_reads_and_writes_alike(text: str, address: object) -> None:
    """What a text names comes back as the same text."""
    assert parse_address(text) == address
    assert str(address) == text


def test_a_taken_port_is_refused_and_its_server_goes_on() -> None:
    """The check whether a port is free leaves the program alone that has it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(StartError, match="another program already does"):
            check_port(TcpAddress("127.0.0.1", server.getsockname()[1]))
        socket.create_connection(server.getsockname()).close()
