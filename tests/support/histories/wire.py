"""Questions as they are sent, and answers as they are recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from sidegate.authz.v1 import authorization_pb2 as authz
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from support.histories.record import Answer, Demand, Listing, Mode, Page, Part, Question

# For each part that a list may leave open: the RPC, its request, the repeated field of the response, and its ID field.
_LISTS: Mapping[Part, tuple[str, type[Any], str, str]] = {
    Part.SUBJECT: ("ListSubjects", authz.ListSubjectsRequest, "subjects", "id"),
    Part.ACTION: ("ListActions", authz.ListActionsRequest, "actions", "action"),
    Part.RESOURCE: ("ListResources", authz.ListResourcesRequest, "resources", "id"),
}


async def send_question(
    channel: grpc.aio.Channel, tenant: str, question: Question | Listing, demand: Demand, *, patience: float
) -> Answer | Page:
    """Ask a sidecar, and return its answer.

    Raises:
        grpc.aio.AioRpcError: it did not answer.
    """
    stub = AuthorizationServiceStub(channel)
    if isinstance(question, Question):
        answer = await stub.Check(check_request(tenant, question, demand), timeout=patience)
        return _decision(answer)
    method, _, items, name = _LISTS[question.part]
    answer = await getattr(stub, method)(list_request(tenant, question, demand), timeout=patience)
    ids, outcome = tuple(getattr(item, name) for item in getattr(answer, items)), answer.outcome
    partial = outcome.partial != authz.PARTIAL_REASON_UNSPECIFIED
    return Page(ids, outcome.reason, outcome.revision, outcome.policy_digest, answer.next_page_token, partial)


async def send_batch(
    channel: grpc.aio.Channel, tenant: str, questions: Sequence[Question], demand: Demand, *, patience: float
) -> list[Answer | str]:
    """Ask a sidecar several questions in one call; return its answers, and a text where it has none.

    Raises:
        grpc.aio.AioRpcError: it did not answer.
    """
    batch = authz.BatchCheckRequest(checks=[check_request(tenant, question, demand) for question in questions])
    response = await AuthorizationServiceStub(channel).BatchCheck(batch, timeout=patience)
    return [
        _decision(result.response) if result.HasField("response") else result.error.message
        for result in response.results
    ]


def _decision(answer: authz.CheckResponse) -> Answer:
    return Answer(answer.decision == authz.DECISION_ALLOW, answer.reason, answer.revision, answer.policy_digest)


def check_request(tenant: str, question: Question, demand: Demand) -> authz.CheckRequest:
    """Return the request for a question."""
    type_, _, id_ = question.resource.partition(":")
    return authz.CheckRequest(
        tenant=tenant,
        subject=authz.Subject(id=question.subject),
        action=question.action,
        resource=authz.Resource(type=type_, id=id_),
        consistency=_consistency(demand),
    )


def list_request(tenant: str, listing: Listing, demand: Demand) -> Any:
    """Return the request for a page: that for its question without the part that is open."""
    check = check_request(tenant, listing.question, demand)
    _, request, _, _ = _LISTS[listing.part]
    made = request(tenant=tenant, subject=check.subject, resource=check.resource, consistency=check.consistency)
    if listing.part is not Part.ACTION:
        made.action = check.action
    made.page_size = listing.size
    if listing.before:
        made.page_token = listing.before.answer.token
    return made


def _consistency(demand: Demand) -> authz.Consistency:
    made = authz.Consistency()
    match demand.mode:
        case Mode.MINIMIZE_LATENCY:
            made.minimize_latency = True
        case Mode.AT_LEAST_AS_FRESH:
            made.at_least_as_fresh = demand.token
        case Mode.FULLY_CONSISTENT:
            made.fully_consistent = True
    if demand.bound is not None:
        made.max_staleness.CopyFrom(Duration(nanos=int(demand.bound * 1e9)))
    return made
