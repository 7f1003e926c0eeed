"""A caller of one tenant, whatever it sends: it changes nothing of another tenant, and is shown nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.authz.v1 import facts_pb2
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.bootstrap import serving
from sidegate.config.settings import GivenSettings
from support.fuzzing.examples import fuzzed
from support.fuzzing.messages import any_message, methods, mutated
from support.servers.callers import write_callers
from support.servers.tenant_callers import ADMIN, CALLERS, GUEST

METHODS = methods()
MARK = "Quetzalcoatl"
"""A word that is in every fact of the other tenant, and in no message."""
COMPANY = """\
    pack: standard
    members: {ann: {roles: [owner], name: NAME}, uma: {name: NAME, quota: 5}, pia: {name: NAME}}
    groups: {sales: {name: NAME, members: [pia]}}
    roles: {clerk: {permissions: {document: [view]}}, NAME: {permissions: {document: [view]}}}
    resources: {"template:t1": {owner: ann}, "document:d1": {owner: uma, parents: ["template:t1"]}, "document:NAME": {}}
    grants: [{role: viewer, on: "document:d1", to: "group:sales"}]
"""
FACTS = f"tenants:\n  acme:\n{COMPANY.replace('NAME', 'Acme')}  globex:\n{COMPANY.replace('NAME', MARK)}"


@dataclass
class Guest:
    """A sidecar as its guest calls it, and its administrator."""

    channel: grpc.aio.Channel

    async def facts(self) -> str:
        """Return all facts of the other tenant."""
        stub, admin = FactsServiceStub(self.channel), (("authorization", f"Bearer {ADMIN}"),)
        found = await stub.ExportFacts(facts_pb2.ExportFactsRequest(tenants=["globex"]), metadata=admin)
        return str(found.document)

    async def reset(self) -> None:
        """Write the facts of both tenants."""
        admin = (("authorization", f"Bearer {ADMIN}"),)
        await FactsServiceStub(self.channel).ApplyFacts(facts_pb2.ApplyFactsRequest(document=FACTS), metadata=admin)

    async def send(self, path: str, raw: bytes) -> tuple[str, bytes]:
        """Send bytes as the message of a method; return the code, and all that came back."""
        try:
            return "OK", await self._answer(path, raw, (("authorization", f"Bearer {GUEST}"),))
        except grpc.aio.AioRpcError as error:
            return error.code().name, f"{error.details()} {error.trailing_metadata()}".encode()

    async def _answer(self, path: str, raw: bytes, metadata: tuple[tuple[str, str], ...]) -> bytes:
        if not METHODS[path].server_streaming:
            return bytes(await self.channel.unary_unary(path)(raw, metadata=metadata))
        stream = self.channel.unary_stream(path)(raw, metadata=metadata)
        answer = await stream.read()
        stream.cancel()
        return answer or b""


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Guest]:
    settings = GivenSettings.model_validate(
        {
            "database": f"sqlite:///{directory}/facts.db",
            "listen": (f"unix:{directory}/socket",),
            "callers": write_callers(directory, CALLERS),
            "drain": 0,
        }
    )
    async with serving(settings) as running, grpc.aio.insecure_channel(running.addresses[0]) as channel:
        yield Guest(channel)


@pytest.fixture(scope="module")
def guest(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    opening = opened(tmp_path_factory.mktemp("isolation"))
    yield runner.run(anext(opening.gen))
    runner.run(opening.gen.aclose())


@fuzzed(25)
@given(st.lists(st.tuples(st.sampled_from(sorted(METHODS)), st.integers(0, 2**32 - 1)), min_size=10, max_size=10))
def test_a_caller_of_one_tenant_reaches_no_other(runner, guest, calls):
    """Names of both tenants in any field of any method: the other's facts stay as they are, and none is returned."""

    async def send_all() -> None:
        await guest.reset()
        before = await guest.facts()
        assert MARK in before
        for path, seed in calls:
            random = Random(seed)
            raw = any_message(METHODS[path].input_type, random, hostility=random.choice((0, 0, 0.05)))
            sent = raw.SerializeToString()
            if random.random() < 0.2:
                sent = mutated(sent, random)
            code, answer = await guest.send(path, sent)
            assert code not in {"INTERNAL", "UNKNOWN"}, (path, sent)
            assert MARK.encode() not in answer, (path, sent)
        assert await guest.facts() == before, calls

    runner.run(send_all())
