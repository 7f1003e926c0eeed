"""A rule that fails on a value of a request: the error names it over the wire, and the log does within a bound."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from google.rpc.error_details_pb2 import ErrorInfo

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.decision.rule_failures import RuleFailureLog
from sidegate.engine import ENGINES
from sidegate.errors import RuleFailed
from sidegate.telemetry.logging import configure_logging
from support.decisions.deciding import apply, deciding
from support.packs.packs import MODEL, write_pack
from support.servers.sidecar import channel, failure, serving

SCHEMA = """\
name: ranges
description: Notes that are read from some addresses.
member: {machine: {type: string, from: request, default: 0.0.0.0}}
context: {ip: {type: string, default: 0.0.0.0}, hour: {type: integer}}
roles: {owner: {on: [tenant]}}
resources:
  note:
    actions: [view, edit, sign]
    properties: {origin: {type: string, from: request, default: 0.0.0.0}}
rules:
  RG-01: {text: Members view notes from inside.}
  RG-02: {text: Members edit notes that come from inside.}
  RG-03: {text: Members sign notes on machines inside.}
"""
ROWS = """\
p, *, tenant, note, view, r.env.hour > 8 && ipMatch(r.env.ip, "10.0.0.0/8"), allow, RG-01
p, *, tenant, note, edit, ipMatch(r.obj.origin, "10.0.0.0/8"), allow, RG-02
p, *, tenant, note, sign, !(ipMatch(r.sub.machine, "10.0.0.0/8")), deny, RG-03
"""
FACTS = """
tenants:
  acme:
    members: {uma: {}}
    resources: {note:n1: {}}
"""
SECRET = "not-an-address-4711"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return what is logged from now on, one JSON object a line."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = [*root.handlers], root.level
    configure_logging(stream=stream)
    yield stream
    logging.basicConfig(handlers=handlers, level=level, force=True)


def lines(log: io.StringIO) -> list[dict[str, object]]:
    """Return the lines about rules that failed."""
    written = map(json.loads, log.getvalue().splitlines())
    return [line for line in written if line["event"] == "rule evaluation failed"]


@pytest.fixture(params=["indexed"])
async def stub(request, tmp_path):
    """Serve the pack of ranges, decided by one of the engines."""
    pack = write_pack(tmp_path / "packs" / "ranges", schema=SCHEMA, model=MODEL, rows=ROWS)
    settings = {"policies": pack.parent, "default_pack": "ranges", "poll_interval": 59, "max_staleness": 60}
    settings["engine"] = request.param
    async with deciding(tmp_path / "facts.db", **settings, hints="off") as core:
        await apply(core, FACTS)
        async with serving(core.decider, search=core.search) as server, channel(server) as wire:
            yield AuthorizationServiceStub(wire)


def struct(**values: object) -> Struct:
    made = Struct()
    made.update(values)
    return made


def check(action: str, *, machine: str = "::1", origin: str = "::1", **context: object) -> pb.CheckRequest:
    subject = pb.Subject(id="uma", properties=struct(machine=machine))
    resource = pb.Resource(type="note", id="n1", properties=struct(origin=origin))
    return pb.CheckRequest(tenant="acme", subject=subject, action=action, resource=resource, context=struct(**context))


@pytest.mark.parametrize("stub", ENGINES, indirect=True)
@pytest.mark.parametrize(
    ("failing", "rule", "name"),
    [
        (check("view", hour=9, ip=SECRET), "RG-01", "context.ip"),
        (check("edit", origin=SECRET), "RG-02", "resource.properties.origin"),
        (check("sign", machine=SECRET), "RG-03", "subject.properties.machine"),
    ],
)
async def test_the_error_of_a_check_names_pack_rule_and_property(stub, failing, rule, name):
    """It is FAILED_PRECONDITION, with the names in the text and in ErrorInfo, and no value of the request."""
    error = await failure(stub.Check(failing))
    assert (error.code, error.info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EVALUATION_FAILED")
    assert dict(error.info.metadata) == {"pack": "ranges", "rule": rule, "property": name}
    for named in ("ranges", rule, name):
        assert f"`{named}`" in error.message
    assert SECRET not in str(error)


async def test_a_rule_that_does_not_reach_the_value_does_not_fail(stub):
    """A condition that is false before it reads the value denies."""
    answer = await stub.Check(check("view", hour=3, ip=SECRET))
    assert answer.decision == pb.DECISION_DENY


async def test_in_a_batch_the_failed_check_alone_has_the_error(stub):
    """Each other check is answered; the error of the one names pack, rule and property."""
    batch = pb.BatchCheckRequest(checks=[check("view", hour=9, ip="10.1.1.1"), check("view", hour=9, ip=SECRET)])
    first, second = (await stub.BatchCheck(batch)).results
    assert first.response.decision == pb.DECISION_ALLOW
    info = ErrorInfo()
    second.error.details[0].Unpack(info)
    assert dict(info.metadata) == {"pack": "ranges", "rule": "RG-01", "property": "context.ip"}
    assert SECRET not in second.error.message


async def test_the_error_of_a_list_names_pack_rule_and_property(stub):
    """Each kind of list ends with the same error as the Check that it could not decide."""
    common = {"tenant": "acme", "context": struct(hour=9, ip=SECRET)}
    subject, note = pb.Subject(id="uma"), pb.Resource(type="note", id="n1")
    for asking in (
        stub.ListResources(
            pb.ListResourcesRequest(subject=subject, action="view", resource=pb.Resource(type="note"), **common)
        ),
        stub.ListSubjects(pb.ListSubjectsRequest(action="view", resource=note, **common)),
        stub.ListActions(pb.ListActionsRequest(subject=subject, resource=note, **common)),
    ):
        error = await failure(asking)
        assert error.code is grpc.StatusCode.FAILED_PRECONDITION
        assert dict(error.info.metadata) == {"pack": "ranges", "rule": "RG-01", "property": "context.ip"}
        assert SECRET not in str(error)


async def test_however_often_a_rule_fails_it_is_logged_once_and_without_the_value(stub, log):
    """Checks, a batch and a list that fail by one rule write one line with tenant, pack, rule and property."""
    failing = check("view", hour=9, ip=SECRET)
    for _ in range(3):
        await failure(stub.Check(failing))
    await stub.BatchCheck(pb.BatchCheckRequest(checks=[failing] * 3))
    resources = pb.ListResourcesRequest(
        tenant="acme",
        subject=failing.subject,
        action="view",
        resource=pb.Resource(type="note"),
        context=failing.context,
    )
    await failure(stub.ListResources(resources))
    (line,) = lines(log)
    assert (line["level"], line["tenant"], line["pack"], line["rule"]) == ("warning", "acme", "ranges", "RG-01")
    assert line["properties"] == ["context.ip"]
    assert SECRET not in log.getvalue()


async def test_each_rule_that_fails_has_a_line_of_its_own(stub, log):
    """Another rule of the same tenant is logged, too."""
    for failing in (check("view", hour=9, ip=SECRET), check("edit", origin=SECRET)):
        await failure(stub.Check(failing))
    assert [line["rule"] for line in lines(log)] == ["RG-01", "RG-02"]


def test_a_rule_is_logged_again_after_a_while_and_memory_is_bounded(log):
    """Within the time it is silent; the map of what was logged holds no more than its limit."""
    now = 0.0
    failures = RuleFailureLog(seconds=10, limit=2, clock=lambda: now)

    def failed(tenant: str) -> None:
        failures.failed(RuleFailed(SECRET, tenant=tenant, pack="p", rule="r"))

    for now in (0.0, 9.9, 10.0, 19.9):  # noqa: B007 - the clock reads it
        failed("acme")
    assert len(lines(log)) == 2
    for tenant in ("a", "b", "acme"):
        failed(tenant)
    assert len(lines(log)) == 5
    assert SECRET not in log.getvalue()
