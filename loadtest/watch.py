"""What watching costs: how soon a change is sent, what watchers add to writes and memory, how fast a backlog is read.

    python loadtest/watch.py                         under a minute, on SQLite
    python loadtest/watch.py --database URL          on an empty PostgreSQL

The server has a process of its own; all watchers share this one, so the figures for many watchers include its cost.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

import grpc

from sidegate.authz.v1 import history_pb2 as pb
from sidegate.authz.v1 import membership_pb2 as members
from sidegate.authz.v1 import tenant_pb2 as tenants
from sidegate.authz.v1.facts_pb2 import ApplyFactsRequest
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub
from sidegate.authz.v1.membership_pb2_grpc import MembershipServiceStub
from sidegate.authz.v1.tenant_pb2_grpc import TenantServiceStub

WATCHERS = (1, 10, 100, 1000)
WRITES = 200
BACKLOG = 20_000
SIDEGATE = Path(sys.executable).parent / "sidegate"


@contextmanager
def served(database: str) -> Iterator[tuple[str, int]]:
    """Run a server, and yield where it listens and its process."""
    command = [SIDEGATE, "serve", "--listen", "127.0.0.1:0", "--drain", "0", "--max-watchers", "2000"]
    with subprocess.Popen([*command, "--database", database], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().partition("listens on ")[2].strip()
            yield address, process.pid
        finally:
            process.terminate()


def resident(pid: int) -> float:
    """Return the memory of a process, in MiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


class ReceiptTimes:
    """When each watcher received which change."""

    def __init__(self) -> None:
        self._noted: dict[str, list[float]] = {}
        self._changed = asyncio.Condition()

    async def note(self, key: str) -> None:
        """Note that one more watcher received it."""
        async with self._changed:
            self._noted.setdefault(key, []).append(perf_counter())
            self._changed.notify_all()

    async def times(self, key: str, count: int) -> list[float]:
        """Wait until `count` watchers received it; return when each did."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._noted.get(key, ())) >= count)
        return self._noted[key]


async def watch(channel: grpc.aio.Channel, tenant: str, receipt_times: ReceiptTimes) -> None:
    """Watch invitations, and note each."""
    request = pb.WatchChangesRequest(parent=f"tenants/{tenant}", kind="invitation")
    begun = False
    async for response in HistoryServiceStub(channel).WatchChanges(request):
        if not begun:
            await receipt_times.note("begun")
        begun = True
        for recorded in response.changes:
            await receipt_times.note(recorded.change.key[0])


async def lags(channel: grpc.aio.Channel, tenant: str, watchers: int) -> tuple[list[float], list[float]]:
    """Return, in ms, how long each write took and how long after its answer each watcher received it."""
    await TenantServiceStub(channel).CreateTenant(
        tenants.CreateTenantRequest(tenant_id=tenant, founder=tenants.Founder(member_id="ann"))
    )
    receipt_times = ReceiptTimes()
    tasks = [asyncio.create_task(watch(channel, tenant, receipt_times)) for _ in range(watchers)]
    await receipt_times.times("begun", watchers)
    took, late = [], []
    for number in range(max(20, WRITES // max(1, watchers // 10))):
        began = perf_counter()
        await MembershipServiceStub(channel).InviteMembers(
            members.InviteMembersRequest(parent=f"tenants/{tenant}", addresses=f"m{number}")
        )
        answered = perf_counter()
        took.append((answered - began) * 1000)
        late += [(received - answered) * 1000 for received in await receipt_times.times(f"m{number}", watchers)]
    for task in tasks:
        task.cancel()
    return took, late


async def backlog(channel: grpc.aio.Channel) -> float:
    """Return how many changes a second a watcher receives of a backlog."""
    rows = "".join(f"      m{number}: {{roles: [member]}}\n" for number in range(BACKLOG // 2))
    document = f"tenants:\n  large:\n    members:\n{rows}"
    await FactsServiceStub(channel).ApplyFacts(ApplyFactsRequest(document=document))
    count, began = 0, perf_counter()
    request = pb.WatchChangesRequest(parent="tenants/large", from_beginning=True)
    async for response in HistoryServiceStub(channel).WatchChanges(request):
        count += len(response.changes)
        if response.caught_up:
            break
    return count / (perf_counter() - began)


async def main(database: str) -> None:
    """Measure, and print a table."""
    options = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
    with served(database) as (address, pid):
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            print(
                "| watchers | a write, ms, median / p99 | received after its answer, ms, median / p99 | server, MiB |"
            )
            print("|-:|-:|-:|-:|")
            for watchers in WATCHERS:
                took, late = await lags(channel, f"t{watchers}", watchers)
                cells = (f"{median(of):,.1f} / {quantiles(of, n=100)[98]:,.1f}" for of in (took, late))
                print(f"| {watchers} | {' | '.join(cells)} | {resident(pid):,.0f} |", flush=True)
            print(f"\nA backlog: {await backlog(channel):,.0f} changes a second.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="")
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(parser.parse_args().database or f"sqlite:///{directory}/facts.db"))
