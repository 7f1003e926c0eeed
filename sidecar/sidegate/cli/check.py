"""`sidegate check`: one question, and the answer in words."""

from __future__ import annotations

import asyncio
import json
import sys
from math import isfinite
from typing import Any, TypedDict, Unpack

import click
from google.protobuf.json_format import MessageToDict
from rich.text import Text

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.cli.client import Target, answered, connected, target_options
from sidegate.cli.commands import Command
from sidegate.cli.console import console, print_json
from sidegate.cli.failures import DENIED
from sidegate.model import (
    ANY,
    DEFAULT_CONSISTENCY,
    Consistency,
    Json,
    Request,
    Requirement,
    Resource,
    Subject,
    ref,
    split_ref,
)
from sidegate.server.codec import write_check

EXAMPLES = (
    ("May uma view the contract", "sidegate check --tenant demo uma view document:contract"),
    ("Ask about a type as a whole", "sidegate check --tenant demo uma register template"),
    (
        "Say what is known about the resource",
        "sidegate check --tenant demo --property status=draft uma edit document:contract",
    ),
    ("Use it in a script", "sidegate check --tenant demo --exit-code uma delete document:contract"),
    (
        "Ask a sidecar on a Unix socket",
        "sidegate check --address unix:/run/sidegate.sock --tenant demo uma view document:contract",
    ),
)
REASONS = {
    "allowed_by_rule": "a rule allows it",
    "denied_by_rule": "a rule denies it",
    "no_matching_rule": "no rule allows it",
    "tenant_unknown": "there is no such tenant",
    "tenant_suspended": "the tenant is suspended",
    "not_a_member": "the subject is not a member of the tenant",
    "member_pending": "the member was invited and has not yet accepted",
    "member_inactive": "the member is deactivated",
    "mfa_required": "the tenant requires a second factor, and the member has none",
    "quota_exhausted": "the member's quota is used up",
    "unknown_action": "the type of resource has no such action",
    "unknown_resource_type": "the tenant's pack has no such type of resource",
}
_SHORT = 12


class _Property(click.ParamType[tuple[str, Json]]):
    """`name=value`; the value is JSON where it reads as JSON, text otherwise."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Json]:
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not (name and equals):
            self.fail(f"`{value}` is not right: expected `name=value`, such as `status=draft`", param, ctx)
        try:
            return name, json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_number)
        except (ValueError, RecursionError):
            return name, text


class Asked(TypedDict):
    """The question as the command line has it."""

    tenant: str
    subject: str
    action: str
    resource: str
    properties: tuple[tuple[str, Json], ...]
    subject_properties: tuple[tuple[str, Json], ...]
    context: tuple[tuple[str, Json], ...]
    at_least_as_fresh: str | None
    fully_consistent: bool


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("subject")
@click.argument("action")
@click.argument("resource")
@click.option("--tenant", required=True, envvar="SIDEGATE_TENANT", show_envvar=True, help="The tenant to ask in.")
@click.option("--property", "properties", type=_Property(), multiple=True, help="A property of the resource.")
@click.option(
    "--subject-property", "subject_properties", type=_Property(), multiple=True, help="A property of the subject."
)
@click.option("--context", type=_Property(), multiple=True, help="What else is known about the request.")
@click.option("--at-least-as-fresh", metavar="REVISION", help="Decide by this revision of the facts or a later one.")
@click.option("--fully-consistent", is_flag=True, help="Decide by what the store holds now.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when denied.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@target_options(timeout=3.0)
def check(target: Target, *, exit_code: bool, as_json: bool, **asked: Unpack[Asked]) -> None:
    """Ask whether SUBJECT may do ACTION on RESOURCE.

    SUBJECT is a member's ID, or type:id. RESOURCE is type:id; a type alone, or type:*, asks about the type as a whole.
    A property's value is read as JSON where it is JSON, and as text otherwise.
    """
    question = _question(asked)
    answer = asyncio.run(_ask(question, target))
    if as_json:
        print_json(MessageToDict(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
    else:
        _tell(question, answer)
    if exit_code and answer.decision != pb.DECISION_ALLOW:
        sys.exit(DENIED)


def _question(asked: Asked) -> pb.CheckRequest:
    if asked["at_least_as_fresh"] and asked["fully_consistent"]:
        raise click.UsageError("--at-least-as-fresh and --fully-consistent exclude each other")
    type_, id_ = split_ref(asked["subject"]) if ":" in asked["subject"] else ("member", asked["subject"])
    resource_type, resource_id = split_ref(asked["resource"]) if ":" in asked["resource"] else (asked["resource"], ANY)
    return write_check(
        Request(
            asked["tenant"],
            Subject(id_, type_, dict(asked["subject_properties"])),
            asked["action"],
            Resource(resource_type, resource_id, dict(asked["properties"])),
            context=dict(asked["context"]),
            consistency=_consistency(asked),
        ),
        revision=asked["at_least_as_fresh"] or "",
    )


def _consistency(asked: Asked) -> Consistency:
    if asked["fully_consistent"]:
        return Consistency(Requirement.FULLY_CONSISTENT)
    if asked["at_least_as_fresh"]:
        return Consistency(Requirement.AT_LEAST_AS_FRESH)
    return DEFAULT_CONSISTENCY


async def _ask(question: pb.CheckRequest, target: Target) -> pb.CheckResponse:
    async with connected(target) as channel:
        stub = AuthorizationServiceStub(channel)
        return await answered(stub.Check(question, timeout=target.timeout), target)


def _tell(question: pb.CheckRequest, answer: pb.CheckResponse) -> None:
    subject, resource = question.subject, question.resource
    allowed = answer.decision == pb.DECISION_ALLOW
    verdict = Text("ALLOW", "bold green") if allowed else Text("DENY", "bold red")
    asked = f"{ref(subject.type, subject.id)} {question.action} {ref(resource.type, resource.id)} in {question.tenant}"
    target = console()
    target.print(verdict, Text(asked))
    lines = {
        "rule": answer.rule or "none",
        "reason": _reason(answer.reason),
        "obligations": ", ".join(obligation.id for obligation in answer.obligations),
        "revision": _short(answer.revision),
        "policy": _short(answer.policy_digest),
    }
    for name, value in lines.items():
        if value:
            target.print(Text(f"  {name:<12}", "dim"), Text(value), sep="")


def _reason(code: str) -> str:
    return f"{REASONS[code]} ({code})" if code in REASONS else code


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


def _number(text: str) -> int | float:
    """Return the number; what the wire's double can't hold is taken for text."""
    if not isfinite(float(text)):
        raise ValueError(text)
    return float(text) if set(text) & set(".eE") else int(text)
