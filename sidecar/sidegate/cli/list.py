"""`sidegate list`: the resources, subjects and actions that are allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

import click
from google.protobuf.json_format import MessageToDict

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.cli.shell.client import Target, connected, pages_of
from sidegate.cli.shell.commands import Command, lazy_group
from sidegate.cli.shell.console import console, print_json, print_table
from sidegate.cli.shell.failures import show_hint
from sidegate.cli.shell.hints import name_hint
from sidegate.cli.shell.output import echo
from sidegate.cli.shell.question import QuestionOptions, question_options, reason_text, resource_of, subject_of
from sidegate.model.question import Resource, Subject
from sidegate.model.reference import ref

COMMANDS = {
    "resources": "sidegate.cli.list:resources",
    "subjects": "sidegate.cli.list:subjects",
    "actions": "sidegate.cli.list:actions",
}
EXAMPLES = (
    ("Which documents uma may view", "sidegate list resources --tenant demo uma view document"),
    ("Who may view the contract", "sidegate list subjects --tenant demo view document:contract"),
    ("What uma may do with it", "sidegate list actions --tenant demo uma document:contract"),
)
_TIMEOUT: Final = 10.0
_PAGE: Final = 50
_WHOLE: Final = 1000
_ENDED_EARLY: Final = {
    pb.PARTIAL_REASON_TIME_SPENT: "the time of one call was spent on those that are not allowed",
    pb.PARTIAL_REASON_FACTS_CHANGED: "the facts changed meanwhile, and a page is of one revision",
}


@dataclass(frozen=True, slots=True)
class _PageOptions:
    """Which pages of a list are read: the one that begins at `token`, and with `to_the_end` all that follow."""

    size: int
    token: str
    to_the_end: bool


@dataclass(frozen=True, slots=True)
class _ListResult:
    """The pages that were read as one, the number of revisions they come from, and a hint about a misspelt name."""

    answer: Any
    revisions: int
    hint: str


@lazy_group(COMMANDS, examples=EXAMPLES, name="list")
def list_() -> None:
    """List what is allowed: resources, subjects, actions.

    Each result is decided as `sidegate check` decides it.
    """


def _page_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how much of a list is printed, and pass them to the command as `pages`."""

    @wraps(command)
    def with_pages(*, limit: int | None, page_token: str, to_the_end: bool, **others: Any) -> None:
        size = limit or (_WHOLE if to_the_end else _PAGE)
        command(pages=_PageOptions(size, page_token, to_the_end), **others)

    limit_option = click.option(
        "--limit",
        type=click.IntRange(1, _WHOLE),
        help=f"How many on a page: {_PAGE} by default, {_WHOLE} with --all.",
    )
    page_option = click.option(
        "--page", "page_token", default="", metavar="TOKEN", help="The page that an answer named."
    )
    all_option = click.option("--all", "to_the_end", is_flag=True, help="Follow the pages to the end.")
    return limit_option(page_option(all_option(with_pages)))


@click.command(
    cls=Command,
    examples=(
        ("Which documents uma may view", "sidegate list resources --tenant demo uma view document"),
        ("All of them, for a script", "sidegate list resources --tenant demo --all --json uma view document"),
        (
            "After a write, by its revision or a later one",
            'sidegate list resources --tenant demo --at-least-as-fresh "$REVISION" uma view document',
        ),
    ),
)
@click.argument("subject")
@click.argument("action")
@click.argument("type_", metavar="TYPE")
@_page_options
@question_options(timeout=_TIMEOUT)
def resources(options: QuestionOptions, pages: _PageOptions, *, subject: str, action: str, type_: str) -> None:
    """List the resources of TYPE on which SUBJECT may do ACTION.

    SUBJECT is a member's ID, TYPE a type alone, such as document. Only registered resources are found.
    """
    if ":" in type_:
        raise click.UsageError(f"`{type_}` is not right: expected a type alone, such as `{type_.partition(':')[0]}`")
    question = options.question(subject=subject_of(subject), action=action, resource=Resource(type_, ""))
    listed = asyncio.run(_read("ListResources", question, pages, options.target))
    _print(listed, options, "resource", [(ref(type_, one.id), one.rule) for one in listed.answer.resources])


@click.command(
    cls=Command,
    examples=(
        ("Who may view the contract", "sidegate list subjects --tenant demo view document:contract"),
        ("Who may register templates", "sidegate list subjects --tenant demo register template"),
    ),
)
@click.argument("action")
@click.argument("resource")
@_page_options
@question_options(timeout=_TIMEOUT)
def subjects(options: QuestionOptions, pages: _PageOptions, *, action: str, resource: str) -> None:
    """List the members that may do ACTION on RESOURCE.

    RESOURCE is type:id; a type alone, or type:*, asks about the type as a whole.
    """
    question = options.question(subject=Subject("", ""), action=action, resource=resource_of(resource))
    listed = asyncio.run(_read("ListSubjects", question, pages, options.target))
    _print(listed, options, "member", [(one.id, one.rule) for one in listed.answer.subjects])


@click.command(
    cls=Command,
    examples=(
        ("Which buttons to show uma", "sidegate list actions --tenant demo uma document:contract"),
        ("What uma may do with templates as a whole", "sidegate list actions --tenant demo uma template"),
    ),
)
@click.argument("subject")
@click.argument("resource")
@_page_options
@question_options(timeout=_TIMEOUT)
def actions(options: QuestionOptions, pages: _PageOptions, *, subject: str, resource: str) -> None:
    """List the actions that SUBJECT may do on RESOURCE.

    SUBJECT is a member's ID. RESOURCE is type:id; a type alone, or type:*, asks about the type as a whole.
    """
    question = options.question(subject=subject_of(subject), resource=resource_of(resource))
    listed = asyncio.run(_read("ListActions", question, pages, options.target))
    _print(listed, options, "action", [(one.action, one.rule) for one in listed.answer.actions])


async def _read(method: str, question: pb.CheckRequest, pages: _PageOptions, target: Target) -> _ListResult:
    """Return the page that is asked for, or all pages to the end as one.

    Raises:
        Failure: the server refused, could not decide, or did not answer; no part of the list is returned then.
    """
    fields = {field.name: value for field, value in question.ListFields()}
    request = getattr(pb, f"{method}Request")(**fields, page_size=pages.size, page_token=pages.token)
    async with connected(target) as channel:
        answers = pages_of(getattr(AuthorizationServiceStub(channel), method), request, target)
        whole = await anext(answers)
        revisions = {whole.outcome.revision}
        while pages.to_the_end and whole.next_page_token:
            page = await anext(answers)
            revisions.add(page.outcome.revision)
            for last in ("next_page_token", "outcome"):
                whole.ClearField(last)
            whole.MergeFrom(page)
        outcome = whole.outcome
        hint = await name_hint(channel, question, target, reason=outcome.reason, digest=outcome.policy_digest)
    return _ListResult(whole, len(revisions), hint)


def _print(listed: _ListResult, options: QuestionOptions, what: str, rows: list[tuple[str, str]]) -> None:
    answer = listed.answer
    if options.as_json:
        print_json(MessageToDict(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
    else:
        if rows:
            print_table(console(), (what, "rule"), rows)
        for line in _notes(listed, found=bool(rows)):
            echo(line)
    show_hint(listed.hint)


def _notes(listed: _ListResult, *, found: bool) -> Iterator[str]:
    """Yield the lines below a list: why it is empty, and how to go on."""
    outcome, token = listed.answer.outcome, listed.answer.next_page_token
    gap = "\n" if found else ""
    if outcome.reason:
        rule = f", {outcome.rule}" if outcome.rule else ""
        yield f"Nothing: {reason_text(outcome.reason)}{rule}"
    elif not found and not token:
        yield "Nothing found"
    if listed.revisions > 1:
        yield f"{gap}The facts changed meanwhile: these pages are of {listed.revisions} revisions."
    if token and outcome.partial:
        yield f"{gap}The page ends early: {_ENDED_EARLY.get(outcome.partial, 'the server ended it')}."
        yield f"There may be more: --page {token}"
    elif token:
        yield f"{gap}There are more: --page {token}"
