"""Admission as clients see it."""

import asyncio

import grpc

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.model.decision import Decision
from sidegate.server.admission.admission import Admission
from sidegate.server.admission.call_classes import CallClass
from sidegate.server.admission.lane import Limits
from support.servers.sidecar import channel, failure, serving

QUESTION = pb.CheckRequest(
    tenant="acme",
    subject=pb.Subject(type="member", id="uma"),
    action="view",
    resource=pb.Resource(type="document", id="d"),
)


class Blocked:
    """A decider that answers once it may."""

    def __init__(self):
        self.may = asyncio.Event()
        self.asked = asyncio.Event()

    async def decide(self, _request):
        self.asked.set()
        await self.may.wait()
        return Decision(allowed=False, reason="no_matching_rule")


async def test_a_call_without_room_is_refused_and_says_when_to_try_again():
    """One Check runs and one waits; a third ends with RESOURCE_EXHAUSTED, its class and a delay."""
    decider = Blocked()
    admission = Admission({each: Limits(1, 1) for each in CallClass}, patience=3600)
    async with serving(decider, admission=admission) as server, channel(server) as wire:
        stub = AuthorizationServiceStub(wire)
        first = asyncio.ensure_future(stub.Check(QUESTION))
        await decider.asked.wait()
        others = [asyncio.ensure_future(stub.Check(QUESTION)) for _ in range(2)]
        done, waiting = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        refused = await failure(done.pop())
        decider.may.set()
        await asyncio.gather(first, *waiting)
    assert refused.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (refused.info.reason, dict(refused.info.metadata)) == ("OVERLOADED", {"class": "check"})
    assert refused.retry is not None
