"""How long a stop takes under each flood: from SIGTERM until the process has ended, beside what its settings allow.

    python loadtest/shutdown.py                 about two minutes
    python loadtest/shutdown.py --only lists    one flood

Each flood meets a server of its own, on a copy of one database. A call that the server had accepted is answered or ends
with UNAVAILABLE, which clients retry; none ends with CANCELLED.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

import grpc
from floods import FLOODS, OPTIONS, facts
from isolation import counted, flood, served

from sidegate.authz.v1.facts_pb2 import ApplyFactsRequest
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub

DRAIN: Final = 3
CLOSING: Final = 3
SPARE: Final = 1.0
"""Seconds beyond both that a busy machine may take to end the process."""
FLAGS: Final = ("--lame-duck", "0", "--drain", str(DRAIN), "--closing", str(CLOSING), "--max-tenants", "50")
FLOODING: Final = 2.0
LOST: Final = ("CANCELLED", "UNKNOWN", "INTERNAL")
"""Codes that a call must not end with: its client can't know whether to try again."""


async def prepared(directory: str) -> None:
    """Write the facts of the floods to a database."""
    with served(directory) as (address, server):
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            for document in facts():
                await FactsServiceStub(channel).ApplyFacts(ApplyFactsRequest(document=document))
        server.send_signal(signal.SIGTERM)
        server.wait()


def stopped(name: str, template: str) -> bool:
    """Stop a server under a flood, print a line, and return whether the goal was reached."""
    with tempfile.TemporaryDirectory(prefix="sidegate-shutdown-") as directory:
        for file in Path(template).glob("facts.db*"):
            shutil.copy(file, directory)
        with served(directory, *FLAGS) as (address, server), flood(name, address) as callers:
            sleep(FLOODING)
            began = perf_counter()
            server.send_signal(signal.SIGTERM)
            try:
                code: int | None = server.wait(2 * (DRAIN + CLOSING + SPARE))
            except subprocess.TimeoutExpired:
                code = None
                server.kill()
            seconds = perf_counter() - began
            callers.terminate()
            codes = counted(callers)
    lost = sum(codes[each] for each in LOST)
    good = code == 0 and seconds <= DRAIN + CLOSING + SPARE and not lost
    own = ", ".join(f"{number:,} {each}" for each, number in codes.most_common())
    goal = f"<= {DRAIN + CLOSING + SPARE:g} s, none lost"
    print(
        f"| {name} | {seconds:.1f} | {code} | {own} | {lost} | {goal} | {'reached' if good else 'MISSED'} |", flush=True
    )
    return good


def measure(floods: Iterable[str]) -> bool:
    """Print a line for each flood; return whether all reached the goal."""
    with tempfile.TemporaryDirectory(prefix="sidegate-shutdown-") as template:
        asyncio.run(prepared(template))
        print("| flood | stopped after, s | exit code | calls of the flood | lost | goal | result |")
        print("|-|-:|-:|-|-:|-|-|")
        reached = [stopped(name, template) for name in floods]
    return all(reached)


def main() -> int:
    """Print the table; the exit code is 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=FLOODS, default="", help="one flood")
    only = parser.parse_args().only
    return 0 if measure([only] if only else FLOODS) else 1


if __name__ == "__main__":
    sys.exit(main())
