"""What an empty server costs: time to its first health answer, and memory, beside a bare grpc.aio server.

    python loadtest/startup.py                       under a minute; --quick starts each server once

Both are started in turn, so that the ratio holds on a busy machine, too; the figures are medians.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

RUNS = 7
BARE = """
import asyncio
import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio

async def main():
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listens on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()

asyncio.run(main())
"""


def measured(command: list[str]) -> tuple[float, float]:
    """Start a server; return the seconds to its first health answer, and its memory in MiB then."""
    began = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().partition("listens on ")[2].strip()
            with grpc.insecure_channel(address) as channel:
                answer = HealthStub(channel).Check(HealthCheckRequest(), wait_for_ready=True, timeout=60)
            seconds = perf_counter() - began
            assert answer.status == HealthCheckResponse.SERVING
            return seconds, resident(process.pid)
        finally:
            process.kill()


def resident(pid: int) -> float:
    """Return the memory of a process, in MiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Print a line for each server, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="start each server once")
    runs = 1 if parser.parse_args().quick else RUNS
    figures: dict[str, list[tuple[float, float]]] = {"bare grpc.aio": [], "sidegate": []}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as directory:
            serve = ["-m", "sidegate", "serve", "--listen", "127.0.0.1:0", "--database", f"sqlite:///{directory}/f.db"]
            figures["bare grpc.aio"].append(measured([sys.executable, "-c", BARE]))
            figures["sidegate"].append(measured([sys.executable, *serve]))
    medians = {name: [median(column) for column in zip(*each, strict=True)] for name, each in figures.items()}
    print("| server | first health answer, s | memory, MiB |\n|---|-:|-:|")
    for name, (seconds, memory) in medians.items():
        print(f"| {name} | {seconds:.2f} | {memory:.0f} |")
    (bare_seconds, bare_memory), (seconds, memory) = medians.values()
    print(f"| ratio | {seconds / bare_seconds:.1f} | {memory / bare_memory:.1f} |")


if __name__ == "__main__":
    main()
