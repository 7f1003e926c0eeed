"""Claiming an address before it is bound."""

import socket
import threading
from pathlib import Path

import pytest

from sidegate.errors import StartError
from sidegate.server.grpc.listen_addresses import TcpAddress, UnixAddress, claimed, parse_address


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


def test_two_servers_that_start_at_once_do_not_both_get_the_socket(tmp_path: Path) -> None:
    """Who comes second waits until the first has bound the socket, and is then refused."""
    address = UnixAddress(tmp_path / "s.sock")
    outcome: list[object] = []

    def second() -> None:
        try:
            with claimed(address):
                outcome.append("claimed")
        except StartError as error:
            outcome.append(str(error))

    with socket.socket(socket.AF_UNIX) as server:
        with claimed(address):
            rival = threading.Thread(target=second)
            rival.start()
            rival.join(0.2)
            assert outcome == []
            server.bind(str(address.path))
            server.listen()
        rival.join(20)

    assert outcome == [f"can't listen on `{address}`: another server already does"]


def test_a_taken_port_frees_nothing_and_harms_nobody() -> None:
    """Looking whether a port is free leaves the one who has it alone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with (
            pytest.raises(StartError, match="another program already does"),
            claimed(TcpAddress("127.0.0.1", server.getsockname()[1])),
        ):
            pytest.fail("the port is taken")
        socket.create_connection(server.getsockname(), timeout=10).close()
