"""What requests can do to the memory of a sidecar: after each attack its resident memory, beside the goal.

    python loadtest/memory.py             about three minutes
    python loadtest/memory.py --quick     a few calls of each attack

A running sidecar has the demo tenant, on a copy of the pack `standard` that declares one claim. `after` is what is
resident three seconds after the attack, `peak` the most that was resident meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.struct_pb2 import Struct, Value

from sidegate.authz.v1 import authorization_pb2 as authz
from sidegate.authz.v1 import facts_pb2 as facts
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub

GOAL: Final = 256
"""MiB that may be resident after any attack."""
POLICIES: Final = Path(__file__).parent.parent / "policies"
SETTLING: Final = 3
"""Seconds after an attack in which the sidecar may return memory to the system."""
CHECK: Final = "/sidegate.authz.v1.AuthorizationService/Check"
MIB: Final = 1024 * 1024
CLAIMS: Final = {f"claim{n}": "x" * 4_000 for n in range(15)}
"""As many bytes of claims as one request may hold, about."""


@dataclass(frozen=True)
class Attack:
    """Calls of one kind: what they are, how many, how many of them run together, and how one is made of its number."""

    name: str
    calls: int
    together: int
    call: Callable[[int], Awaitable[Any]]


def asks(
    context: dict[str, object] | None = None,
    *,
    tenant: str = "demo",
    subject: str = "uma",
    document: str = "contract",
) -> authz.CheckRequest:
    """Return a question with claims in its context."""
    claims = Struct()
    claims.update(context or {})
    return authz.CheckRequest(
        tenant=tenant,
        subject=authz.Subject(id=subject),
        action="view",
        resource=authz.Resource(type="document", id=document),
        context=claims,
    )


def field(number: int, content: bytes) -> bytes:
    """Return the wire form of a field with a length; a library refuses to write what it would refuse to read."""
    size, parts = len(content), bytearray()
    while size > 0x7F:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    tag = number << 3 | 2
    start = bytes([tag]) if tag <= 0x7F else bytes([tag & 0x7F | 0x80, tag >> 7])
    return start + bytes(parts) + bytes([size]) + content


def deep_context(levels: int) -> bytes:
    """Return the wire form of a question's context with a number of levels."""
    value = Value(number_value=1).SerializeToString()
    for _ in range(levels):
        struct = field(1, field(1, b"a") + field(2, value))
        value = field(5, struct)
    return field(5, struct)


def long_name(number: int) -> str:
    """Return an identifier of the greatest length, in characters that take four bytes in memory."""
    return f"{number}-".ljust(256, "\U00020000")


def document(members: int) -> str:
    """Return a facts document of one tenant."""
    lines = ["tenants:", "  large:", "    members:", "      olivia: {roles: [owner]}"]
    lines += [f"      m{n}: {{name: Member {n}, email: m{n}@large.example, roles: [member]}}" for n in range(members)]
    return "\n".join(lines) + "\n"


def small_tenants(number: int) -> str:
    """Return a facts document of many tenants."""
    lines = (f"  t{n}: {{members: {{olivia: {{roles: [owner]}}, uma: {{roles: [member]}}}}}}\n" for n in range(number))
    return "tenants:\n" + "".join(lines)


def attacks(channel: grpc.aio.Channel, *, share: float) -> Iterator[Attack]:
    """Yield the attacks; `share` of their calls are made."""

    def times(calls: int) -> int:
        return max(2, round(calls * share))

    yield from single_checks(channel, times)
    yield from encoded_messages(channel, times)
    yield from documents(channel, share, times)
    yield from many_questions(channel, times)


def single_checks(channel: grpc.aio.Channel, times: Callable[[int], int]) -> Iterator[Attack]:
    """Yield attacks by the claims and the names of Checks."""
    stub, gzip = AuthorizationServiceStub(channel), grpc.Compression.Gzip

    def claims(number: int) -> dict[str, object]:
        return {f"{name}-{number}": value for name, value in CLAIMS.items()}

    yield Attack(
        "undeclared claims, as many as are accepted",
        times(2_000),
        16,
        lambda n: stub.Check(asks(claims(n)), compression=gzip),
    )
    too_many = {f"claim{n}": "x" * 4_000 for n in range(100)}
    yield Attack(
        "undeclared claims of 400 kB, 2 kB with gzip",
        times(400),
        16,
        lambda n: stub.Check(asks({**too_many, "n": n}), compression=gzip),
    )
    yield Attack("a declared claim of 4 kB", times(4_000), 16, lambda n: stub.Check(asks({"note": f"{n}" * 800})))
    yield Attack("distinct documents, long names", times(20_000), 64, lambda n: stub.Check(asks(document=long_name(n))))
    yield Attack("unknown tenants, long names", times(5_000), 64, lambda n: stub.Check(asks(tenant=long_name(n))))
    yield Attack("unknown members, long names", times(5_000), 64, lambda n: stub.Check(asks(subject=long_name(n))))


def encoded_messages(channel: grpc.aio.Channel, times: Callable[[int], int]) -> Iterator[Attack]:
    """Yield attacks by the wire form of messages."""
    raw, gzip = channel.unary_unary(CHECK), grpc.Compression.Gzip
    deep = [asks().SerializeToString() + deep_context(levels) for levels in (6, 30, 60, 1_000)]
    yield Attack("deep properties", times(2_000), 16, lambda n: raw(deep[n % len(deep)]))
    inflated = [field(100, bytes(size)) for size in (15 * MIB, 60 * MIB)]
    yield Attack("gzip: 15 and 60 MiB in a few kB", times(64), 8, lambda n: raw(inflated[n % 2], compression=gzip))


def documents(channel: grpc.aio.Channel, share: float, times: Callable[[int], int]) -> Iterator[Attack]:
    """Yield attacks by facts documents, and by the first uses of what is in one."""
    stub, writes = AuthorizationServiceStub(channel), FactsServiceStub(channel)
    large = document(max(5_000, round(170_000 * share)))
    tenants = max(10, round(500 * share))
    validated = facts.ApplyFactsRequest(document=large, validate_only=True)
    yield Attack(
        f"facts documents of {len(large) / MIB:.0f} MiB, only validated",
        times(6),
        3,
        lambda _: writes.ApplyFacts(validated, compression=grpc.Compression.Gzip, timeout=60),
    )
    applied = facts.ApplyFactsRequest(document=small_tenants(tenants))
    yield Attack(f"{tenants} new tenants", 1, 1, lambda _: writes.ApplyFacts(applied))
    yield Attack("their first uses", tenants, 64, lambda n: stub.Check(asks(tenant=f"t{n}")))


def many_questions(channel: grpc.aio.Channel, times: Callable[[int], int]) -> Iterator[Attack]:
    """Yield attacks by lists, by batches, and by callers that do not wait for answers."""
    stub = AuthorizationServiceStub(channel)
    listing = authz.ListResourcesRequest(
        tenant="demo", subject=authz.Subject(id="uma"), action="view", resource=authz.Resource(type="document")
    )
    listing.context.CopyFrom(asks(CLAIMS).context)
    yield Attack("lists", times(500), 64, lambda _: stub.ListResources(listing))
    wide = [asks({**CLAIMS, "n": n}, document=f"d{n}") for n in range(60)]
    yield Attack(
        "batches of 60 cold documents, 3.6 MB",
        times(50),
        8,
        lambda _: stub.BatchCheck(authz.BatchCheckRequest(checks=wide)),
    )
    yield Attack(
        "callers that leave after 5 ms",
        times(4_000),
        256,
        lambda n: stub.Check(asks(CLAIMS, document=f"left{n}"), timeout=0.005),
    )


async def made(attack: Attack) -> Counter[str]:
    """Make the calls of an attack; return how many of them ended with which status."""
    ended: Counter[str] = Counter()
    numbers = iter(range(attack.calls))

    async def caller() -> None:
        for number in numbers:
            try:
                await attack.call(number)
                ended["OK"] += 1
            except grpc.aio.AioRpcError as error:
                ended[error.code().name] += 1

    await asyncio.gather(*(caller() for _ in range(attack.together)))
    return ended


def resident(pid: int, name: str = "VmRSS") -> float:
    """Return the memory of a process, in MiB."""
    found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def restart_peak(pid: int) -> None:
    """Let the kernel measure the peak of a process's memory from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def sidecar(directory: Path) -> Iterator[tuple[int, str]]:
    """Run a sidecar with the demo tenant; yield its process ID and its address."""
    shutil.copytree(POLICIES, directory / "policies")
    schema = directory / "policies" / "standard" / "pack.yaml"
    schema.write_text(schema.read_text() + "\ncontext:\n  note: {type: string}\n")
    flags = ["--demo", "--listen", "127.0.0.1:0", "--database", f"sqlite:///{directory}/facts.db"]
    command = [sys.executable, "-m", "sidegate", "serve", *flags, "--policies", str(directory / "policies")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout.readline().partition("listens on ")[2].strip()
        finally:
            process.kill()


async def run(pid: int, address: str, *, share: float) -> bool:
    """Print a row for each attack, and return whether the goal was always met; a small share is not waited for."""
    options = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
    met = True
    print("| attack | calls | ended with | after, MiB | peak, MiB | goal: after < 256 |\n|---|-:|---|-:|-:|---|")
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        await AuthorizationServiceStub(channel).Check(asks(), wait_for_ready=True, timeout=60)
        print(f"| none | | | {resident(pid):.0f} | {resident(pid, 'VmHWM'):.0f} | |", flush=True)
        for attack in attacks(channel, share=share):
            restart_peak(pid)
            ended = await made(attack)
            await asyncio.sleep(SETTLING if share == 1 else 0)
            await AuthorizationServiceStub(channel).Check(asks(), timeout=60)
            after, peak = resident(pid), resident(pid, "VmHWM")
            shown = ", ".join(f"{code} {number}" for code, number in sorted(ended.items()))
            reached = after < GOAL
            met = met and reached
            verdict = "met" if reached else "missed"
            print(f"| {attack.name} | {attack.calls} | {shown} | {after:.0f} | {peak:.0f} | {verdict} |", flush=True)
    return met


def main() -> int:
    """Run all attacks; exit with 1 where the goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few calls of each attack")
    share = 0.005 if parser.parse_args().quick else 1.0
    with tempfile.TemporaryDirectory() as directory, sidecar(Path(directory)) as (pid, address):
        return 0 if asyncio.run(run(pid, address, share=share)) else 1


if __name__ == "__main__":
    sys.exit(main())
