"""Checks on the wire: requests to questions, and decisions to responses."""

from __future__ import annotations

import itertools
import secrets
from enum import Enum
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.errors import InvalidInput
from sidegate.model.decision import Decision, Obligation
from sidegate.model.question import DEFAULT_CONSISTENCY, Consistency, Request, Requirement, Resource, Subject
from sidegate.model.revision import NO_REVISION
from sidegate.server.calls.deadlines import time_left
from sidegate.server.wire.properties import read_properties, write_properties
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.validation import DEFAULT_LIMITS, Inspection, Limits

_NANOS = 1_000_000_000
_MAX_SECONDS = 315_576_000_000
_DEFAULT_SUBJECT_TYPE = "member"

Question: TypeAlias = pb.CheckRequest | pb.ListResourcesRequest | pb.ListSubjectsRequest | pb.ListActionsRequest


class Part(Enum):
    """A part of a question that a list asks for."""

    SUBJECT = "subject"
    ACTION = "action"
    RESOURCE = "resource"


class CheckCodec:
    """Reads requests, checks every field of them, and writes responses."""

    def __init__(self, tokens: RevisionTokens, limits: Limits = DEFAULT_LIMITS) -> None:
        self._tokens = tokens
        self._limits = limits
        # Unique across sidecars and restarts, and cheap: a random prefix for the process, a counter for the question.
        self._process = secrets.token_hex(5)
        self._count = itertools.count(1)

    def read(self, message: pb.CheckRequest) -> Request:
        """Return the question, with a fresh ID for its decision.

        Raises:
            InvalidInput: names everything that is wrong with it.
        """
        return self.read_open(message, None)

    def read_open(self, message: Question, part: Part | None) -> Request:
        """Return a question with one part left empty, because the list asks for it.

        Raises:
            InvalidInput: names everything that is wrong with it.
        """
        inspection = Inspection(self._limits)
        subject, resource = message.subject, message.resource
        inspection.identifier("tenant", message.tenant)
        if subject.type:
            inspection.word("subject.type", subject.type, example=_DEFAULT_SUBJECT_TYPE)
        if part is Part.SUBJECT:
            inspection.empty("subject.id", subject.id)
        else:
            inspection.identifier("subject.id", subject.id)
        action = "" if isinstance(message, pb.ListActionsRequest) else message.action
        if part is not Part.ACTION:
            inspection.word("action", action, example="view")
        inspection.word("resource.type", resource.type, example="document")
        if part is Part.RESOURCE:
            inspection.empty("resource.id", resource.id)
        else:
            inspection.identifier("resource.id", resource.id, any_allowed=True)
        request = Request(
            message.tenant,
            Subject(
                subject.id,
                subject.type or _DEFAULT_SUBJECT_TYPE,
                read_properties(subject.properties, "subject.properties", inspection),
            ),
            action,
            Resource(
                resource.type,
                resource.id,
                read_properties(resource.properties, "resource.properties", inspection),
            ),
            context=read_properties(message.context, "context", inspection),
            consistency=self._consistency(message, inspection),
            id=f"{self._process}-{next(self._count)}",
            patience=time_left(),
        )
        inspection.finish()
        return request

    def write(self, request: Request, decision: Decision) -> pb.CheckResponse:
        """Return the answer to a question."""
        return pb.CheckResponse(
            decision=pb.DECISION_ALLOW if decision.allowed else pb.DECISION_DENY,
            reason=decision.reason,
            rule=decision.rule,
            decision_id=request.id,
            policy_digest=decision.policy_digest,
            revision=self._tokens.encode(request.tenant, decision.revision),
            obligations=[
                pb.Obligation(id=obligation.id, parameters=write_properties(obligation.parameters))
                for obligation in decision.obligations
            ],
        )

    def _consistency(self, message: Question, inspection: Inspection) -> Consistency:
        if not message.HasField("consistency"):
            return DEFAULT_CONSISTENCY
        asked = message.consistency
        revision = NO_REVISION
        requirement = Requirement(asked.WhichOneof("requirement") or Requirement.MINIMIZE_LATENCY)
        if requirement is Requirement.AT_LEAST_AS_FRESH:
            try:
                revision = self._tokens.decode(message.tenant, asked.at_least_as_fresh)
            except InvalidInput as error:
                inspection.found.extend(error.violations)
        elif asked.WhichOneof("requirement") and not getattr(asked, requirement):
            inspection.add(f"consistency.{requirement}", "`false` is not right: expected true, or the field left out")
        staleness = _seconds(asked.max_staleness, inspection) if asked.HasField("max_staleness") else None
        return Consistency(requirement, revision, staleness)


def write_check(request: Request, *, revision: str = "") -> pb.CheckRequest:
    """Return a question as a client sends it; `revision` is the token of an AT_LEAST_AS_FRESH one."""
    return pb.CheckRequest(
        tenant=request.tenant,
        subject=pb.Subject(
            type=request.subject.type,
            id=request.subject.id,
            properties=write_properties(request.subject.properties),
        ),
        action=request.action,
        resource=pb.Resource(
            type=request.resource.type,
            id=request.resource.id,
            properties=write_properties(request.resource.properties),
        ),
        context=write_properties(request.context),
        consistency=_consistency(request.consistency, revision),
    )


def read_decision(message: pb.CheckResponse) -> Decision:
    """Return an answer as a client reads it: all but an allow is a deny, and the revision is left out."""
    return Decision(
        allowed=message.decision == pb.DECISION_ALLOW,
        reason=message.reason,
        rule=message.rule,
        policy_digest=message.policy_digest,
        obligations=tuple(
            Obligation(o.id, read_properties(o.parameters, "parameters", Inspection())) for o in message.obligations
        ),
    )


def _consistency(consistency: Consistency, revision: str) -> pb.Consistency | None:
    if consistency == DEFAULT_CONSISTENCY:
        return None
    message = pb.Consistency()
    match consistency.requirement:
        case Requirement.AT_LEAST_AS_FRESH:
            message.at_least_as_fresh = revision
        case Requirement.FULLY_CONSISTENT:
            message.fully_consistent = True
        case Requirement.MINIMIZE_LATENCY:
            message.minimize_latency = True
    if consistency.max_staleness is not None:
        seconds, nanos = divmod(round(consistency.max_staleness * _NANOS), _NANOS)
        message.max_staleness.CopyFrom(Duration(seconds=seconds, nanos=nanos))
    return message


def _seconds(duration: Duration, inspection: Inspection) -> float:
    if not (0 <= duration.seconds <= _MAX_SECONDS and 0 <= duration.nanos < _NANOS):
        shown = f"`{duration.seconds} s {duration.nanos} ns` is not right"
        inspection.add("consistency.max_staleness", f"{shown}: expected a duration of zero or more")
    return duration.seconds + duration.nanos / _NANOS
