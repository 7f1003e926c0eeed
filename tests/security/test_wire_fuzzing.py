"""Any bytes as the message of any method: a documented status or a right answer, never an error of the server."""

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

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1 import facts_pb2
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.bootstrap import serving
from sidegate.config.settings import GivenSettings
from support.fuzzing.examples import fuzzed
from support.fuzzing.messages import any_message, methods, mutated

METHODS = methods()
CODES = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "PERMISSION_DENIED",
    "ABORTED",
    "UNAVAILABLE",
    "RESOURCE_EXHAUSTED",
}
"""What a call may end with; INTERNAL and UNKNOWN are errors of the server."""
FACTS = """\
tenants:
  acme:
    pack: standard
    members:
      ann: {roles: [owner]}
      uma: {roles: [admin], quota: 5, email: uma@acme.example}
      pia: {}
      ina: {status: pending}
    groups: {sales: {members: [pia]}}
    roles: {clerk: {permissions: {document: [view]}}}
    resources:
      template:t1: {owner: ann}
      document:d1: {parents: [template:t1], owner: uma}
    grants: [{role: viewer, on: document:d1, to: group:sales}]
  globex:
    pack: eformsign
    members: {ann: {roles: [representative_admin]}, uma: {roles: [company_admin]}}
"""
CHECK = "/sidegate.authz.v1.AuthorizationService/Check"
BATCH = "/sidegate.authz.v1.AuthorizationService/BatchCheck"
QUESTIONS = [
    pb.CheckRequest(
        tenant=tenant,
        subject=pb.Subject(id=member),
        action=action,
        resource=pb.Resource(type="document", id="d1"),
        context={"ip": "10.0.0.1", "mfa": True},
    )
    for tenant in ("acme", "globex")
    for member in ("ann", "uma", "pia", "ina")
    for action in ("view", "edit", "delete")
]
CALLS = st.lists(st.tuples(st.sampled_from(sorted(METHODS)), st.integers(0, 2**32 - 1)), min_size=8, max_size=8)


@dataclass
class Fuzzed:
    """A running sidecar, called with bytes."""

    channel: grpc.aio.Channel

    async def reset(self) -> None:
        """Write the facts that plausible messages are about."""
        await FactsServiceStub(self.channel).ApplyFacts(facts_pb2.ApplyFactsRequest(document=FACTS))

    async def send(self, path: str, raw: bytes) -> tuple[str, bytes]:
        """Send bytes as the message of a method; return the code, and the first answer."""
        try:
            if METHODS[path].server_streaming:
                call = self.channel.unary_stream(path)(raw)
                answer = await call.read()
                call.cancel()
                return "OK", answer
            return "OK", await self.channel.unary_unary(path)(raw)
        except grpc.aio.AioRpcError as error:
            return error.code().name, b""

    async def allows(self, question: pb.CheckRequest) -> bool:
        """Return whether a question is allowed."""
        answer = await AuthorizationServiceStub(self.channel).Check(question)
        return answer.decision == pb.DECISION_ALLOW


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Fuzzed]:
    settings = GivenSettings.model_validate(
        {
            "database": f"sqlite:///{directory}/facts.db",
            "listen": (f"unix:{directory}/socket",),
            "drain": 0,
        }
    )
    async with serving(settings) as running, grpc.aio.insecure_channel(running.addresses[0]) as channel:
        yield Fuzzed(channel)


@pytest.fixture(scope="module")
def server(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    opening = opened(tmp_path_factory.mktemp("fuzz"))
    yield runner.run(anext(opening.gen))
    runner.run(opening.gen.aclose())


@fuzzed(40)
@given(CALLS)
def test_messages_of_any_content_end_with_a_documented_status(runner, server, calls):
    """Plausible, hostile and broken messages of every method: none is an error of the server."""

    async def send_all() -> None:
        await server.reset()
        for path, seed in calls:
            raw = _message(path, Random(seed))
            code, _ = await server.send(path, raw)
            assert code in CODES, (path, raw, code)

    runner.run(send_all())


@fuzzed(30)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8))
def test_no_mutation_turns_a_deny_into_an_allow(runner, server, seeds):
    """A message with changed bytes is allowed only what the plain question in it is allowed, alone or in a batch."""

    async def send_all() -> None:
        await server.reset()
        for seed in seeds:
            random = Random(seed)
            raw = mutated(random.choice(QUESTIONS).SerializeToString(), random, most=1)
            for path, sent in ((CHECK, raw), (BATCH, b"\n" + _varint(len(raw)) + raw)):
                code, answer = await server.send(path, sent)
                assert code in CODES, (path, sent, code)
                if code == "OK" and _allowed(path, answer):
                    assert await server.allows(_plain(pb.CheckRequest.FromString(raw))), (path, sent)

    runner.run(send_all())


def test_the_questions_are_allowed_and_denied(runner, server):
    """What is mutated has both answers."""

    async def ask() -> None:
        await server.reset()
        assert {await server.allows(question) for question in QUESTIONS} == {True, False}

    runner.run(ask())


def _message(path: str, random: Random) -> bytes:
    raw: bytes = any_message(
        METHODS[path].input_type, random, hostility=random.choice((0, 0.02, 0.1, 0.5))
    ).SerializeToString()
    return mutated(raw, random) if random.random() < 0.25 else raw


def _allowed(path: str, answer: bytes) -> bool:
    if path == CHECK:
        return pb.CheckResponse.FromString(answer).decision == pb.DECISION_ALLOW
    results = pb.BatchCheckResponse.FromString(answer).results
    return any(result.response.decision == pb.DECISION_ALLOW for result in results)


def _plain(question: pb.CheckRequest) -> pb.CheckRequest:
    """Return a question about the same names, without claims and unknown fields."""
    subject = pb.Subject(type=question.subject.type, id=question.subject.id)
    resource = pb.Resource(type=question.resource.type, id=question.resource.id)
    return pb.CheckRequest(tenant=question.tenant, subject=subject, action=question.action, resource=resource)


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
