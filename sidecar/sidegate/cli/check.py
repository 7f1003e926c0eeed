"""`sidegate check`: one question, and its answer in words."""

from __future__ import annotations

import asyncio
import sys

import click
from google.protobuf.json_format import MessageToDict
from rich.text import Text

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.cli.shell.client import Target, answer_of, connected
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import console, print_json, styled
from sidegate.cli.shell.failures import DENIED, show_hint
from sidegate.cli.shell.hints import name_hint
from sidegate.cli.shell.question import QuestionOptions, question_options, reason_text, resource_of, subject_of
from sidegate.model.reference import ref

EXAMPLES = (
    ("May uma view the contract", "sidegate check --tenant demo uma view document:contract"),
    ("Ask about a type as a whole", "sidegate check --tenant demo uma register template"),
    (
        "With a property of the resource",
        "sidegate check --tenant demo --property status=draft uma edit document:contract",
    ),
    ("Use it in a script", "sidegate check --tenant demo --exit-code uma delete document:contract"),
    (
        "Ask a sidecar on a Unix socket",
        "sidegate check --address unix:/run/sidegate.sock --tenant demo uma view document:contract",
    ),
)
_SHORT = 12


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("subject")
@click.argument("action")
@click.argument("resource")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when denied; without it a deny exits with 0.")
@question_options(timeout=3.0)
def check(options: QuestionOptions, *, subject: str, action: str, resource: str, exit_code: bool) -> None:
    """Ask whether SUBJECT may do ACTION on RESOURCE.

    SUBJECT is a member's ID, or type:id. RESOURCE is type:id; a type alone, or type:*, asks about the type as a whole.
    A property's value is read as JSON where it is JSON, and as text otherwise. A deny is an answer and exits with 0;
    a script that reads the exit code needs --exit-code: 0 is allowed, 1 is denied, 2 and 3 are errors.
    """
    question = options.question(subject=subject_of(subject), action=action, resource=resource_of(resource))
    answer, hint = asyncio.run(_ask(question, options.target))
    if options.as_json:
        print_json(MessageToDict(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
    else:
        _print(question, answer)
    show_hint(hint)
    if exit_code and answer.decision != pb.DECISION_ALLOW:
        sys.exit(DENIED)


async def _ask(question: pb.CheckRequest, target: Target) -> tuple[pb.CheckResponse, str]:
    """Return the answer, and the hint that goes with it."""
    async with connected(target) as channel:
        stub = AuthorizationServiceStub(channel)
        answer = await answer_of(stub.Check(question, timeout=target.timeout), target)
        hint = await name_hint(channel, question, target, reason=answer.reason, digest=answer.policy_digest)
    return answer, hint


def _print(question: pb.CheckRequest, answer: pb.CheckResponse) -> None:
    subject, resource = question.subject, question.resource
    allowed = answer.decision == pb.DECISION_ALLOW
    verdict = Text("ALLOW", "bold green") if allowed else Text("DENY", "bold red")
    asked = f"{ref(subject.type, subject.id)} {question.action} {ref(resource.type, resource.id)} in {question.tenant}"
    target = console()
    target.print(verdict, styled(asked))
    lines = {
        "rule": answer.rule or "none",
        "reason": reason_text(answer.reason),
        "obligations": ", ".join(obligation.id for obligation in answer.obligations),
        "revision": _short(answer.revision),
        "policy": _short(answer.policy_digest),
    }
    for name, value in lines.items():
        if value:
            target.print(Text(f"  {name:<12}", "dim"), styled(value), sep="")


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"
