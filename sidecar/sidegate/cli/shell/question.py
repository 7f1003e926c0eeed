"""What `check` and the lists share: the options of a question, and the codes of an answer in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from math import isfinite
from typing import Any

import click

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.cli.shell.client import Target, target_options
from sidegate.cli.shell.failures import Failure
from sidegate.cli.shell.hints import quoting_hint
from sidegate.model.properties import Json, Properties
from sidegate.model.question import DEFAULT_CONSISTENCY, Consistency, Request, Requirement, Resource, Subject
from sidegate.model.reference import ANY, split_ref
from sidegate.server.wire.checks import write_check

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


@dataclass(frozen=True, slots=True)
class QuestionOptions:
    """What comes with a question: the server and tenant, the claimed properties, how fresh the facts must be."""

    target: Target
    tenant: str
    properties: Properties
    subject_properties: Properties
    context: Properties
    consistency: Consistency
    revision: str
    as_json: bool

    @property
    def claims(self) -> Iterator[tuple[str, str, Properties]]:
        """Each flag that takes values, the field of the request that it fills, and the values."""
        yield "--property", "resource.properties", self.properties
        yield "--subject-property", "subject.properties", self.subject_properties
        yield "--context", "context", self.context

    def question(self, *, subject: Subject, action: str = "", resource: Resource) -> pb.CheckRequest:
        """Return the question; the part that a list asks for is empty."""
        request = Request(
            self.tenant,
            Subject(subject.id, subject.type, self.subject_properties),
            action,
            Resource(resource.type, resource.id, self.properties),
            context=self.context,
            consistency=self.consistency,
        )
        return write_check(request, revision=self.revision)


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


_OPTIONS = (
    click.option("--tenant", required=True, envvar="SIDEGATE_TENANT", show_envvar=True, help="The tenant to ask in."),
    click.option(
        "--property", "properties", type=_Property(), multiple=True, help="A property of the resource: JSON, else text."
    ),
    click.option(
        "--subject-property", "subject_properties", type=_Property(), multiple=True, help="A property of the subject."
    ),
    click.option("--context", type=_Property(), multiple=True, help="What else is known about the request."),
    click.option("--at-least-as-fresh", metavar="REVISION", help="Decide by this revision or a later one."),
    click.option("--fully-consistent", is_flag=True, help="Decide by what the store holds now."),
    click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON."),
)


def question_options(timeout: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of a question, and pass them to the command as `options`.

    Where the server refuses a value that was read as JSON, the failure says how to quote it.
    """

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_options(  # noqa: PLR0913 - one for each option
            target: Target,
            *,
            tenant: str,
            properties: tuple[tuple[str, Json], ...],
            subject_properties: tuple[tuple[str, Json], ...],
            context: tuple[tuple[str, Json], ...],
            at_least_as_fresh: str | None,
            fully_consistent: bool,
            as_json: bool,
            **others: Any,
        ) -> None:
            options = QuestionOptions(
                target,
                tenant,
                dict(properties),
                dict(subject_properties),
                dict(context),
                _consistency(at_least_as_fresh, fully_consistent=fully_consistent),
                at_least_as_fresh or "",
                as_json,
            )
            try:
                command(options=options, **others)
            except Failure as failure:
                raise failure.with_hint(quoting_hint(failure.details, options.claims)) from failure

        optioned = target_options(timeout)(with_options)
        for option in reversed(_OPTIONS):
            optioned = option(optioned)
        return optioned

    return decorated


def subject_of(word: str) -> Subject:
    """Return the subject that a word of the command line names: a member's ID, or type:id."""
    type_, id_ = split_ref(word) if ":" in word else ("member", word)
    return Subject(id_, type_)


def resource_of(word: str) -> Resource:
    """Return the resource that a word of the command line names: type:id, or a type as a whole."""
    type_, id_ = split_ref(word) if ":" in word else (word, ANY)
    return Resource(type_, id_)


def reason_text(code: str) -> str:
    """Return what the code of a reason means, in words."""
    return f"{REASONS[code]} ({code})" if code in REASONS else code


def _consistency(at_least_as_fresh: str | None, *, fully_consistent: bool) -> Consistency:
    if at_least_as_fresh and fully_consistent:
        raise click.UsageError("--at-least-as-fresh and --fully-consistent exclude each other")
    if fully_consistent:
        return Consistency(Requirement.FULLY_CONSISTENT)
    if at_least_as_fresh:
        return Consistency(Requirement.AT_LEAST_AS_FRESH)
    return DEFAULT_CONSISTENCY


def _number(text: str) -> int | float:
    """Return the number.

    Raises:
        ValueError: a double of the wire can't hold it, so it is text.
    """
    if not isfinite(float(text)):
        raise ValueError(text)
    return float(text) if set(text) & set(".eE") else int(text)
