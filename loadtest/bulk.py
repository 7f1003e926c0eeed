"""What bulk work costs: a large facts document, hostile ones, and a spreadsheet of people.

PYTHONPATH=tests python loadtest/bulk.py            about three minutes
PYTHONPATH=tests python loadtest/bulk.py --quick    a tenth of it, to see that it runs
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from grpc import aio
from spreadsheets import packed, people

from sidegate.authz.v1 import facts_pb2, membership_pb2
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.authz.v1.membership_pb2_grpc import MembershipServiceStub
from sidegate.bootstrap import deciding
from sidegate.config.settings import Settings
from sidegate.documents.json_schema import check_schema
from sidegate.documents.yaml import parse_document
from sidegate.facts.diff import difference
from sidegate.facts.read import facts_of
from sidegate.facts.validate import check_facts
from sidegate.facts.write import write_facts
from sidegate.model.facts import Grant, Member, StoredResource, TenantFacts
from support.servers.cli import Sidecar, sidecar, sidegate

_MIB = 1024 * 1024
_TABLES = ("members", "resources", "grants", "changes", "change_subjects")
_PEOPLE = 1_000
_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


def document(documents: int) -> str:
    """Return a tenant of a thousand members and many documents, each with an owner."""
    ids = [f"m{number}@acme.example" for number in range(_PEOPLE)]
    references = [f"document:d{number}" for number in range(documents)]
    return write_facts(
        [
            TenantFacts(
                "large",
                pack="standard",
                members={id_: Member(id_, name=f"Member {id_}", email=id_) for id_ in ids},
                resources={reference: StoredResource(*reference.split(":")) for reference in references},
                grants=frozenset(
                    Grant("owner", reference, f"member:{ids[at % _PEOPLE]}") for at, reference in enumerate(references)
                ),
            )
        ]
    )


def hostile(size: int) -> Mapping[str, str]:
    """Return documents of a size that make as much work as their authors know how to."""
    return {
        "a list of millions of words": "tenants: {t: {members: {m: {roles: [" + "a," * (size // 2) + "]}}}}",
        "millions of grants without anything": "tenants: {t: {grants: [" + "{}," * (size // 3) + "]}}",
        "unknown keys": "{" + ",".join(f"k{number}" for number in range(size // 8)) + "}",
        "grants to nobody": "tenants: {t: {grants: ["
        + "{role: owner, on: 'document:d', to: 'member:m'}," * (size // 48)
        + "]}}",
        "one long text": "tenants: '" + "a" * size + "'",
    }


@contextmanager
def timed(rows: dict[str, float], name: str) -> Iterator[None]:
    """Record the processor seconds of this process."""
    began = time.process_time()
    yield
    rows[name] = time.process_time() - began


async def stages(documents: int) -> None:
    """Print where the time of a large document goes, beside the least that anything could take."""
    text, rows = document(documents), dict[str, float]()
    gc.disable()
    with tempfile.TemporaryDirectory() as directory:
        with timed(rows, "parse YAML"):
            parsed = parse_document(text, "f")
        as_json = json.dumps(parsed.value)
        with timed(rows, "baseline: json.loads of the same"):
            json.loads(as_json)
        with timed(rows, "parse the same as JSON"):
            parse_document(as_json, "f")
        with timed(rows, "check the schema"):
            check_schema(parsed, "facts")
        with timed(rows, "make facts"):
            facts = facts_of(parsed)
        async with deciding(Settings(database=f"sqlite:///{directory}/a.db")) as core:
            schema = core.packs.schema_of("standard")
            assert schema is not None
            with timed(rows, "check the facts"):
                check_facts(facts.tenants["large"], facts, schema)
            with timed(rows, "compare"):
                changes = difference(None, facts.tenants["large"])
            with timed(rows, "write and follow"):
                await core.store.write({"large": changes}, expected={"large": 0}, actor="platform")
                await core.follower.catch_up()
        with timed(rows, "baseline: executemany of the same rows"):
            _copy(Path(directory, "a.db"), Path(directory, "b.db"))
    gc.enable()
    base = rows["baseline: json.loads of the same"]
    print(f"\n{documents:,} documents, {len(text) / _MIB:.1f} MiB, {len(changes):,} changes\n")
    print("| stage | processor s | times json.loads |\n|-|-:|-:|")
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.2f} | {seconds / base:.1f} |")


def _copy(source: Path, target: Path) -> None:
    """Insert the rows of a database into the same tables of a new one, as fast as the driver does."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as write:
        for (statement,) in read.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'"
        ):
            write.execute(statement)
        for table in _TABLES:
            rows = read.execute(f"SELECT * FROM {table}").fetchall()
            if rows:
                write.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
        write.commit()


@dataclass
class Peaks:
    """The most memory, in MiB, of the sidecar and of the processes that it starts."""

    sidecar: float = 0.0
    worker: float = 0.0


@contextmanager
def watched(running: Sidecar) -> Iterator[Peaks]:
    """Follow the memory of a sidecar and its processes meanwhile."""
    peaks, ended = Peaks(), Event()

    def follow() -> None:
        while not ended.wait(0.02):
            peaks.sidecar = max(peaks.sidecar, resident(running.process.pid))
            peaks.worker = max([peaks.worker, *map(resident, workers(running))])

    thread = Thread(target=follow)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB, 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def workers(running: Sidecar) -> list[int]:
    """Return the processes that a sidecar has started and that have not ended."""
    found: list[int] = []
    for task in Path(f"/proc/{running.process.pid}/task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def end_to_end(documents: int, directory: Path) -> None:
    """Print what `facts apply` takes, with the memory of sidecar and worker."""
    file = directory / "large.yaml"
    file.write_text(document(documents))
    with sidecar(directory, "--drain", "0") as running, watched(running) as peaks:
        began = time.perf_counter()
        done = sidegate("facts", "apply", file, "--yes", "--address", running.address)
        seconds = time.perf_counter() - began
        assert done.code == 0, done.err
        after = resident(running.process.pid)
    print(
        f"\n`facts apply` of {documents:,} documents: {seconds:.1f} s by the clock; sidecar {peaks.sidecar:.0f} MiB "
        f"at most and {after:.0f} after it, worker {peaks.worker:.0f} MiB\n"
    )


async def hostile_documents(size: int, directory: Path) -> None:
    """Print what the sidecar does with each hostile document, and with a caller that leaves."""
    print("| document, validate_only | outcome | s | sidecar MiB at most | after | worker MiB |\n|-|-|-:|-:|-:|-:|")
    with sidecar(directory, "--drain", "0") as running:
        async with aio.insecure_channel(running.address, options=_OPTIONS) as channel:
            stub = FactsServiceStub(channel)
            for name, text in hostile(size).items():
                request = facts_pb2.ApplyFactsRequest(document=text, validate_only=True)
                with watched(running) as peaks:
                    began = time.perf_counter()
                    outcome = await _outcome(stub.ApplyFacts(request))
                    seconds = time.perf_counter() - began
                await asyncio.sleep(2)  # freed memory is returned after a second
                after = resident(running.process.pid)
                cells = (name, outcome, f"{seconds:.1f}", f"{peaks.sidecar:.0f}", f"{after:.0f}", f"{peaks.worker:.0f}")
                print(f"| {' | '.join(cells)} |", flush=True)
            await _leave(stub, hostile(size)["a list of millions of words"], running)


async def _outcome(call: Any) -> str:
    try:
        await call
    except aio.AioRpcError as error:
        return f"{error.code().name}: {(error.details() or '')[:70]}"
    return "OK"


async def _leave(stub: Any, text: str, running: Sidecar) -> None:
    """Print how long a worker goes on after its caller has left."""
    call = stub.ApplyFacts(facts_pb2.ApplyFactsRequest(document=text, validate_only=True))
    await asyncio.to_thread(_wait_until, lambda: bool(workers(running)))
    call.cancel()
    began = time.perf_counter()
    await asyncio.to_thread(_wait_until, lambda: not workers(running))
    print(f"\nA worker ends {1000 * (time.perf_counter() - began):.0f} ms after its caller has left.\n")


def _wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.001)


async def spreadsheet(rows: int, directory: Path) -> None:
    """Print what a table of people takes, checked and written."""
    raw = packed(people(rows + 1))
    with sidecar(directory, "--drain", "0") as running:
        async with aio.insecure_channel(running.address, options=_OPTIONS) as channel:
            company = "tenants: {acme: {pack: standard, members: {a: {roles: [owner]}}}}"
            await FactsServiceStub(channel).ApplyFacts(facts_pb2.ApplyFactsRequest(document=company))
            print(f"| {rows:,} people in .xlsx | s by the clock |\n|-|-:|")
            for name, checked in (("checked", True), ("written", False)):
                request = membership_pb2.InviteMembersRequest(
                    parent="tenants/acme", spreadsheet=raw, validate_only=checked
                )
                began = time.perf_counter()
                await MembershipServiceStub(channel).InviteMembers(request)
                print(f"| {name} | {time.perf_counter() - began:.1f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    scale = 10 if parser.parse_args().quick else 1
    asyncio.run(stages(100_000 // scale))
    with tempfile.TemporaryDirectory() as directory:
        for name in ("documents", "hostile", "people"):
            Path(directory, name).mkdir()
        end_to_end(100_000 // scale, Path(directory, "documents"))
        asyncio.run(hostile_documents(14 * _MIB // scale, Path(directory, "hostile")))
        asyncio.run(spreadsheet(9_999 // scale, Path(directory, "people")))


if __name__ == "__main__":
    main()
