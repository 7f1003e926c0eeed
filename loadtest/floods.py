"""Floods of calls, each in a process of its own at a lower priority; `isolation.py` and `shutdown.py` start them.

    python loadtest/floods.py NAME ADDRESS    until SIGTERM; prints how many calls ended with which code

Each keeps a number of calls in flight and starts the next one as soon as one ends, also after a refusal: it is an
impolite client.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.struct_pb2 import Struct

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.facts_pb2 import ApplyFactsRequest, ExportFactsRequest
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.authz.v1.history_pb2 import ListChangesRequest
from sidegate.authz.v1.history_pb2_grpc import HistoryServiceStub

BUSY: Final = "busy"
"""The tenant of most floods; it has documents `d0` and so on."""
DOCUMENTS: Final = 2_000
MEMBERS: Final = 200
COLD_TENANTS: Final = 200
DEADLINE: Final = 5.0
OPTIONS: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
Call: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Flood:
    """How many calls are in flight, and what makes one, over a channel."""

    in_flight: int
    made: Callable[[grpc.aio.Channel], Call]


def facts() -> Iterator[str]:
    """Yield the facts documents that the floods ask about."""
    lines = ["tenants:", f"  {BUSY}:", "    members:", "      olivia: {roles: [owner]}"]
    lines += [f"      m{number}: {{roles: [member]}}" for number in range(MEMBERS)]
    lines.append("    resources:")
    lines += [f"      document:d{number}: {{owner: m{number % MEMBERS}}}" for number in range(DOCUMENTS)]
    yield "\n".join(lines) + "\n"
    rest = "    members:\n      uma: {roles: [member]}\n    resources:\n      document:d1: {owner: uma}\n"
    yield "tenants:\n" + "".join(f"  cold{number}:\n{rest}" for number in range(COLD_TENANTS))


def question(document: str, *, tenant: str = BUSY, member: str = "m1") -> pb.CheckRequest:
    """Return a question: may the member view the document?"""
    return pb.CheckRequest(
        tenant=tenant, subject=pb.Subject(id=member), action="view", resource=pb.Resource(type="document", id=document)
    )


def _checks(channel: grpc.aio.Channel) -> Call:
    check, asked = AuthorizationServiceStub(channel).Check, question("d1")
    return lambda: check(asked, timeout=DEADLINE)


def _lists(channel: grpc.aio.Channel) -> Call:
    ask = AuthorizationServiceStub(channel).ListSubjects
    asked = pb.ListSubjectsRequest(
        tenant=BUSY, action="view", resource=pb.Resource(type="document", id="d1"), page_size=100
    )
    everything = AuthorizationServiceStub(channel).ListResources
    owned = pb.ListResourcesRequest(
        tenant=BUSY,
        subject=pb.Subject(id="olivia"),
        action="view",
        resource=pb.Resource(type="document"),
        page_size=200,
    )
    turns = count()
    return lambda: everything(owned, timeout=DEADLINE) if next(turns) % 4 else ask(asked, timeout=DEADLINE)


def _warm_batches(channel: grpc.aio.Channel) -> Call:
    batch = AuthorizationServiceStub(channel).BatchCheck
    asked = pb.BatchCheckRequest(checks=[question(f"d{number}") for number in range(100)])
    return lambda: batch(asked, timeout=DEADLINE)


def _cold_batches(channel: grpc.aio.Channel) -> Call:
    batch = AuthorizationServiceStub(channel).BatchCheck

    def call() -> Awaitable[object]:
        checks = [question(f"x{random.randrange(10**9)}") for _ in range(50)]
        return batch(pb.BatchCheckRequest(checks=checks), timeout=DEADLINE)

    return call


def _large_claims(channel: grpc.aio.Channel) -> Call:
    check = AuthorizationServiceStub(channel).Check
    claims = Struct()
    claims.update({f"claim{number}": "x" * 1_000 for number in range(50)})

    def call() -> Awaitable[object]:
        asked = question("d1")
        asked.context.CopyFrom(claims)
        asked.context["salt"] = random.random()
        return check(asked, timeout=DEADLINE)

    return call


def _document(tenant: str, documents: int, owner: str) -> str:
    rows = "".join(f"      document:d{number}: {{owner: {owner}}}\n" for number in range(documents))
    return f"tenants:\n  {tenant}:\n    members: {{ann: {{roles: [owner]}}, bob: {{}}}}\n    resources:\n{rows}"


def _applies(channel: grpc.aio.Channel) -> Call:
    apply = FactsServiceStub(channel).ApplyFacts
    turns = count()

    def call() -> Awaitable[object]:
        turn = next(turns)
        owner = "ann" if turn // 4 % 2 else "bob"
        return apply(ApplyFactsRequest(document=_document(f"applied{turn % 4}", 500, owner)), timeout=30)

    return call


def _plans(channel: grpc.aio.Channel) -> Call:
    apply = FactsServiceStub(channel).ApplyFacts
    asked = ApplyFactsRequest(document=_document("planned", 2_000, "ann"), validate_only=True)
    return lambda: apply(asked, timeout=30)


def _exports(channel: grpc.aio.Channel) -> Call:
    export = FactsServiceStub(channel).ExportFacts
    return lambda: export(ExportFactsRequest(tenants=[BUSY]), timeout=30)


def _history(channel: grpc.aio.Channel) -> Call:
    read = HistoryServiceStub(channel).ListChanges
    return lambda: read(ListChangesRequest(parent=f"tenants/{BUSY}", page_size=1_000), timeout=DEADLINE)


def _first_uses(channel: grpc.aio.Channel) -> Call:
    check, turns = AuthorizationServiceStub(channel).Check, count()

    def call() -> Awaitable[object]:
        number = next(turns)
        tenant = f"cold{number % COLD_TENANTS}" if number % 2 else f"unknown{random.randrange(10**9)}"
        return check(question("d1", tenant=tenant, member="uma"), timeout=DEADLINE)

    return call


FLOODS: Final[Mapping[str, Flood]] = {
    "Checks": Flood(128, _checks),
    "lists": Flood(32, _lists),
    "warm batches": Flood(16, _warm_batches),
    "cold batches": Flood(16, _cold_batches),
    "large claims": Flood(16, _large_claims),
    "apply": Flood(8, _applies),
    "plan": Flood(8, _plans),
    "export": Flood(16, _exports),
    "history": Flood(16, _history),
    "first uses": Flood(32, _first_uses),
}


async def _caller(call: Call, codes: Counter[str]) -> None:
    while True:
        try:
            await call()
            codes["OK"] += 1
        except grpc.aio.AioRpcError as error:
            codes[error.code().name] += 1
            await asyncio.sleep(0)


async def flooded(name: str, address: str, in_flight: int) -> Counter[str]:
    """Call until SIGTERM; return how many calls ended with which code."""
    flood, codes, ended = FLOODS[name], Counter[str](), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        call = flood.made(channel)
        callers = [asyncio.create_task(_caller(call, codes)) for _ in range(in_flight or flood.in_flight)]
        print("begun", flush=True)
        await ended.wait()
        for each in callers:
            each.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    return codes


def main(name: str, address: str, in_flight: str = "0") -> None:
    """Flood at a lower priority, so that the machine's cores are first for the server and the calls that are timed."""
    os.nice(10)
    codes: Any = asyncio.run(flooded(name, address, int(in_flight)))
    print(" ".join(f"{code}={number}" for code, number in codes.most_common()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
