"""A real gRPC server on a real port, with a decider and facts made for the test."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from sidegate.model.change import Change
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.model.revision import Revision
from sidegate.ports.decider import Decider
from sidegate.server.access.gate import Gate, TrustAll
from sidegate.server.grpc.listener import GrpcServer, ListenerSettings
from sidegate.server.handlers.authorization import AuthorizationHandler
from sidegate.server.handlers.facts import FactsHandler
from sidegate.server.wire.checks import CheckCodec
from sidegate.server.wire.lists import ListCodec
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals

KEY = b"a key that only tests know"
TOKENS = RevisionTokens(KEY)


@dataclass
class ScriptedDecider:
    """Allows tina everything and denies all others; a tenant named in `errors` gets its error instead."""

    errors: dict[str, BaseException] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    async def decide(self, request: Request) -> Decision:
        self.asked.append(request)
        if request.tenant in self.errors:
            raise self.errors[request.tenant]
        if request.subject.id == "tina":
            return Decision(True, "allowed_by_rule", rule="EF-05", policy_digest="d1", revision=Revision(7, 70))
        return Decision(False, "no_matching_rule", policy_digest="d1", revision=Revision(7, 70))


@dataclass(frozen=True)
class Outcome:
    """What a document changes in one tenant."""

    tenant: str
    revision: Revision
    changes: Sequence[Change] = ()
    warnings: Sequence[str] = ()


@dataclass
class ScriptedFacts:
    """Remembers how it was called and returns what it was given."""

    outcome: Sequence[Outcome] = ()
    document: str = "tenants: {}\n"
    error: BaseException | None = None
    calls: list[tuple[object, ...]] = field(default_factory=list)

    async def plan(self, text: str, source: str, *, check: Callable[[Sequence[str]], None]) -> Sequence[Outcome]:
        check([])
        return self._called("plan", text, source)

    async def apply(
        self, text: str, source: str, *, actor: str, caller: str, check: Callable[[Sequence[str]], None]
    ) -> Sequence[Outcome]:
        check([])
        return self._called("apply", text, source, actor, caller)

    async def export(self, tenants: Sequence[str]) -> str:
        self._called("export", tuple(tenants))
        return self.document

    def _called(self, *call: object) -> Sequence[Outcome]:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return self.outcome


class OneByOne:
    """Decides the questions of a batch one after another, as a decider does."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    async def decide(self, requests: Sequence[Request]) -> Sequence[Decision | Exception]:
        return [await self._outcome(request) for request in requests]

    async def _outcome(self, request: Request) -> Decision | Exception:
        try:
            return await self._decider.decide(request)
        except Exception as error:  # noqa: BLE001 - it is the outcome
            return error


@asynccontextmanager
async def serving(
    decider=None,
    *,
    batches=None,
    search=None,
    facts=None,
    history=None,
    ready=lambda: True,
    gate=None,
    on_call=lambda _call: None,
    max_checks=100,
    admission=None,
    **settings,
) -> AsyncIterator[GrpcServer]:
    """Run a server; unless said otherwise on a port that the system chooses."""
    settings = {"addresses": ("127.0.0.1:0",), "grace": 1.0} | settings
    codec = CheckCodec(TOKENS)
    lists = ListCodec(codec, TOKENS, Seals(KEY))
    decider = decider or ScriptedDecider()
    authorization = AuthorizationHandler(
        decider, batches or OneByOne(decider), search, codec=codec, lists=lists, max_checks=max_checks
    )
    handlers = {
        "AuthorizationService": authorization,
        "FactsService": FactsHandler(facts or ScriptedFacts(), None, TOKENS),
    }
    if history is not None:
        handlers["HistoryService"] = history
    server = GrpcServer(
        handlers,
        ready,
        ListenerSettings(**settings),
        gate=gate or Gate(TrustAll()),
        admission=admission,
        on_call=on_call,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def channel(server: GrpcServer, number: int = 0) -> grpc.aio.Channel:
    """Open a channel to one of the server's addresses."""
    return grpc.aio.insecure_channel(server.addresses[number])


@dataclass(frozen=True)
class Failure:
    """An RPC error with its details taken apart."""

    code: grpc.StatusCode
    message: str
    info: ErrorInfo
    violations: dict[str, str]
    retry: RetryInfo | None


async def failure(call) -> Failure:
    """Await a call that must fail, and return what the client learns."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure_of(caught.value)


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Return what a client learns from an error."""
    status = rpc_status.from_call(_Call(error))
    assert status is not None, f"no details: {error.code()} {error.details()}"
    return taken_apart(status, error.code())


def taken_apart(status: Status, code: grpc.StatusCode | None = None) -> Failure:
    """Return a status with its details taken apart."""
    details: dict[type[Message], Message] = {}
    for packed in status.details:
        for kind in (ErrorInfo, BadRequest, RetryInfo):
            if packed.Is(kind.DESCRIPTOR):
                details[kind] = kind()
                packed.Unpack(details[kind])
    bad = details.get(BadRequest, BadRequest())
    codes = {known.value[0]: known for known in grpc.StatusCode}
    return Failure(
        code or codes[status.code],
        status.message,
        details[ErrorInfo],
        {violation.field: violation.description for violation in bad.field_violations},
        details.get(RetryInfo),
    )


@dataclass(frozen=True)
class _Call:
    error: grpc.aio.AioRpcError

    def code(self):
        return self.error.code()

    def details(self):
        return self.error.details()

    def trailing_metadata(self):
        return self.error.trailing_metadata()
