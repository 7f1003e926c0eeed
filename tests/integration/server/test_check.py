"""Check and BatchCheck against a real server on a real port."""

import asyncio
import math

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.errors import EvaluationError, PackError, RevisionConflict, StoreUnavailable, TooStale
from sidegate.model.decision import Decision, Obligation
from sidegate.model.question import Consistency, Requirement
from sidegate.model.revision import Revision
from support.decisions.deciding import apply, deciding
from support.servers.sidecar import TOKENS, ScriptedDecider, channel, failure, serving, taken_apart
from support.waiting import until


def question(**changes) -> pb.CheckRequest:
    fields = {
        "tenant": "acme",
        "subject": pb.Subject(id="tina"),
        "action": "register",
        "resource": pb.Resource(type="template", id="*"),
    }
    return pb.CheckRequest(**(fields | changes))


def struct(**values) -> Struct:
    made = Struct()
    made.update(values)
    return made


async def test_an_allow_carries_rule_digest_revision_and_its_own_id() -> None:
    """The answer to an allowed question holds everything the contract promises."""
    async with serving() as server, channel(server) as wire:
        stub = AuthorizationServiceStub(wire)
        first, second = await stub.Check(question()), await stub.Check(question())

    assert (first.decision, first.reason, first.rule) == (pb.DECISION_ALLOW, "allowed_by_rule", "EF-05")
    assert first.policy_digest == "d1"
    assert TOKENS.decode("acme", first.revision) == Revision(7, 70)
    assert first.decision_id
    assert first.decision_id != second.decision_id


async def test_a_deny_is_an_answer() -> None:
    """A denied question gets an OK status and DECISION_DENY, not an error."""
    async with serving() as server, channel(server) as wire:
        answer = await AuthorizationServiceStub(wire).Check(question(subject=pb.Subject(id="mallory")))

    assert (answer.decision, answer.reason) == (pb.DECISION_DENY, "no_matching_rule")


async def test_the_decider_receives_the_complete_question() -> None:
    """Properties, context and consistency arrive as plain values, whole numbers as int; the type defaults to member."""
    decider = ScriptedDecider()
    asked = question(
        subject=pb.Subject(id="tina", properties=struct(quota=3, share=0.5)),
        context=struct(ips=["10.0.0.1"], nested={"deep": None}),
        consistency=pb.Consistency(at_least_as_fresh=TOKENS.encode("acme", Revision(41, 5))),
    )
    async with serving(decider) as server, channel(server) as wire:
        answer = await AuthorizationServiceStub(wire).Check(asked)

    (request,) = decider.asked
    assert request.subject.type == "member"
    assert request.subject.properties == {"quota": 3, "share": 0.5}
    assert type(request.subject.properties["quota"]) is int
    assert request.context == {"ips": ["10.0.0.1"], "nested": {"deep": None}}
    assert request.consistency == Consistency(Requirement.AT_LEAST_AS_FRESH, Revision(41, 5))
    assert request.id == answer.decision_id


async def test_the_callers_deadline_reaches_the_decider() -> None:
    """What is left of the call's deadline arrives as patience, also in a batch; without one there is none."""
    decider = ScriptedDecider()
    async with serving(decider) as server, channel(server) as wire:
        stub = AuthorizationServiceStub(wire)
        await stub.Check(question())
        await stub.Check(question(), timeout=50)
        await stub.BatchCheck(pb.BatchCheckRequest(checks=[question()]), timeout=50)

    assert decider.asked[0].patience is None
    assert all(0 < request.patience < 51 for request in decider.asked[1:])


async def test_a_revision_that_is_not_in_the_store_is_reported_as_lost(tmp_path) -> None:
    """It is UNAVAILABLE with the lag and without advice to try again, not DEADLINE_EXCEEDED and not an older answer."""
    asked = question(
        subject=pb.Subject(id="uma"),
        consistency=pb.Consistency(at_least_as_fresh=TOKENS.encode("acme", Revision(9, 5))),
    )
    async with deciding(tmp_path / "facts.db") as core, serving(core.decider) as server, channel(server) as wire:
        await apply(core, "tenants: {acme: {members: {uma: {roles: [owner]}}}}")
        await core.snapshots.tenant("acme")
        status = await failure(AuthorizationServiceStub(wire).Check(asked, timeout=3600))

    assert (status.code, status.info.reason) == (grpc.StatusCode.UNAVAILABLE, "TOO_STALE")
    assert status.info.metadata == {"revisions_behind": "8", "revision": "lost"}
    assert status.retry is None


async def test_obligations_travel_with_their_parameters() -> None:
    """An obligation's details arrive at the client as they were decided."""

    class StepUp:
        async def decide(self, _request) -> Decision:
            return Decision(False, "mfa_required", obligations=(Obligation("step_up_mfa", {"methods": ["totp"]}),))

    async with serving(StepUp()) as server, channel(server) as wire:
        answer = await AuthorizationServiceStub(wire).Check(question())

    assert [o.id for o in answer.obligations] == ["step_up_mfa"]
    assert list(answer.obligations[0].parameters["methods"]) == ["totp"]
    assert answer.revision == ""


async def test_every_violation_of_a_request_is_reported() -> None:
    """A request with many errors gets INVALID_ARGUMENT with one violation per wrong field."""
    wrong = question(
        tenant="",
        subject=pb.Subject(type="Member", id="ti\nna", properties=struct(text="x" * 5000)),
        action="View!",
        resource=pb.Resource(type="doc ument", id="d*"),
        context=struct(a={"b": {"c": {"d": {"e": {}}}}}),
        consistency=pb.Consistency(at_least_as_fresh=TOKENS.encode("globex", Revision(41, 5))),
    )
    async with serving() as server, channel(server) as wire:
        status = await failure(AuthorizationServiceStub(wire).Check(wrong))

    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (status.info.reason, status.info.domain) == ("INVALID_INPUT", "sidegate")
    assert set(status.violations) == {
        "tenant",
        "subject.type",
        "subject.id",
        "subject.properties.text",
        "action",
        "resource.type",
        "resource.id",
        "context.a.b.c.d.e",
        "consistency.at_least_as_fresh",
    }
    assert r"`ti\nna`" in status.violations["subject.id"]


async def test_an_empty_message_is_invalid_not_a_fault_of_the_server() -> None:
    """A message without any field names the fields that must be there."""
    async with serving() as server, channel(server) as wire:
        status = await failure(AuthorizationServiceStub(wire).Check(pb.CheckRequest()))

    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert set(status.violations) == {"tenant", "subject.id", "action", "resource.type", "resource.id"}


async def test_unreadable_bytes_are_invalid() -> None:
    """Bytes that are no message get INVALID_ARGUMENT with details, not an internal error."""
    async with serving() as server, channel(server) as wire:
        raw = wire.unary_unary("/sidegate.authz.v1.AuthorizationService/Check")
        status = await failure(raw(b"\x0a\xff\xff\xff"))

    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert status.info.domain == "sidegate"


async def test_as_many_violations_as_there_can_be_still_reach_the_client() -> None:
    """The most violations with the widest characters fit into the trailers that a default client takes."""
    wrong = question(
        action="\U0001f600" * 300,
        context=struct(**{"\U0001f600" * 100 + str(n): [math.nan] * 5 for n in range(100)}),
    )
    async with serving() as server, channel(server) as wire:
        status = await failure(AuthorizationServiceStub(wire).Check(wrong))

    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert status.info.metadata["violations"] == "501"
    assert any("left out" in message for message in status.violations.values())


@pytest.mark.parametrize(
    ("error", "code", "reason", "retries"),
    [
        (TooStale("the facts are 9 s old"), grpc.StatusCode.UNAVAILABLE, "TOO_STALE", True),
        (StoreUnavailable("ECONNREFUSED secret"), grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", True),
        (RevisionConflict("secret"), grpc.StatusCode.ABORTED, "REVISION_CONFLICT", True),
        (EvaluationError("secret"), grpc.StatusCode.FAILED_PRECONDITION, "EVALUATION_FAILED", False),
        (PackError(), grpc.StatusCode.FAILED_PRECONDITION, "PACK_FAULTY", False),
        (ZeroDivisionError("secret"), grpc.StatusCode.INTERNAL, "INTERNAL", False),
    ],
)
async def test_each_error_has_its_code_and_reason(error, code, reason, retries) -> None:
    """An error has the code and reason of its kind, and nothing internal."""
    async with serving(ScriptedDecider({"acme": error})) as server, channel(server) as wire:
        status = await failure(AuthorizationServiceStub(wire).Check(question()))

    assert (status.code, status.info.reason, status.retry is not None) == (code, reason, retries)
    assert "secret" not in status.message


async def test_a_batch_keeps_its_order_and_a_bad_item_fails_alone() -> None:
    """Each result is at the index of its check; an invalid or failed check has a status there."""
    decider = ScriptedDecider({"broken": KeyError("secret")})
    checks = [question(subject=pb.Subject(id="tina" if n % 2 else "uma")) for n in range(20)]
    checks[3] = question(action="")
    checks[11] = question(tenant="broken")
    async with serving(decider) as server, channel(server) as wire:
        answer = await AuthorizationServiceStub(wire).BatchCheck(pb.BatchCheckRequest(checks=checks))

    decisions = [r.response.decision for r in answer.results if r.HasField("response")]
    assert [r.WhichOneof("outcome") for r in answer.results].count("error") == 2
    assert decisions == [pb.DECISION_ALLOW if n % 2 else pb.DECISION_DENY for n in range(20) if n not in {3, 11}]
    assert set(taken_apart(answer.results[3].error).violations) == {"checks[3].action"}
    assert taken_apart(answer.results[11].error).code is grpc.StatusCode.INTERNAL
    assert "secret" not in str(answer.results[11].error)
    assert dict(answer.revisions) == {"acme": TOKENS.encode("acme", Revision(7, 70))}


async def test_a_batch_over_the_limit_is_refused_and_an_empty_one_is_empty() -> None:
    """The limit itself passes; one more names `checks` and the limit."""
    async with serving(max_checks=3) as server, channel(server) as wire:
        stub = AuthorizationServiceStub(wire)
        empty = await stub.BatchCheck(pb.BatchCheckRequest())
        full = await stub.BatchCheck(pb.BatchCheckRequest(checks=[question()] * 3))
        status = await failure(stub.BatchCheck(pb.BatchCheckRequest(checks=[question()] * 4)))

    assert (len(empty.results), len(full.results)) == (0, 3)
    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "at most 3" in status.violations["checks"]


async def test_a_deadline_ends_the_work_on_a_batch() -> None:
    """When the client's time is up the checks under way are cancelled and the later ones never begin."""
    calls = []
    batch = pb.BatchCheckRequest(checks=[question()] * 50)

    class Slow:
        def __init__(self) -> None:
            self.asked = 0
            self.cancelled = 0

        async def decide(self, _request) -> Decision:
            self.asked += 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            raise AssertionError

    slow = Slow()
    async with serving(slow, on_call=calls.append) as server, channel(server) as wire:
        patience, attempts = 0.1, 0
        while not slow.asked:  # the time may be up before the server receives the call
            patience, attempts = 2 * patience, attempts + 1
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await AuthorizationServiceStub(wire).BatchCheck(batch, timeout=patience)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: slow.asked == slow.cancelled and bool(calls))

    assert slow.asked < 50 * attempts
    assert {call.code for call in calls} == {"DEADLINE_EXCEEDED"}


async def test_each_call_is_reported_once_with_its_code() -> None:
    """The hook gets one record per call with the method, the code that the client saw, and a duration."""
    calls = []
    async with serving(on_call=calls.append) as server, channel(server) as wire:
        stub = AuthorizationServiceStub(wire)
        await stub.Check(question())
        await failure(stub.Check(question(tenant="")))

    assert [(c.method, c.code) for c in calls] == [
        ("sidegate.authz.v1.AuthorizationService/Check", "OK"),
        ("sidegate.authz.v1.AuthorizationService/Check", "INVALID_ARGUMENT"),
    ]
    assert all(c.seconds >= 0 for c in calls)
