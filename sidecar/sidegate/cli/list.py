"""`sidegate list`: what is allowed, found instead of asked about one by one."""

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
from sidegate.cli.shell.client import Target, connected, paged
from sidegate.cli.shell.commands import Command, LazyGroup
from sidegate.cli.shell.console import console, print_json, print_table
from sidegate.cli.shell.question import Given, questioning, reason_told, resource_of, subject_of
from sidegate.model.question import Resource, Subject
from sidegate.model.reference import ref

COMMANDS = {
    "resources": ("List the resources of TYPE on which SUBJECT may do ACTION.", "sidegate.cli.list:resources"),
    "subjects": ("List the members that may do ACTION on RESOURCE.", "sidegate.cli.list:subjects"),
    "actions": ("List the actions that SUBJECT may do on RESOURCE.", "sidegate.cli.list:actions"),
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
class _Pages:
    """Which pages of a list are read: the one that begins at `token`, and where `to_the_end` all that follow."""

    size: int
    token: str
    to_the_end: bool


@dataclass(frozen=True, slots=True)
class _Listed:
    """What the pages that were read tell together, and of how many revisions of the facts they are."""

    answer: Any
    revisions: int


@click.group("list", cls=LazyGroup, loads=COMMANDS, examples=EXAMPLES)
def list_() -> None:
    """List what is allowed: resources, subjects, actions.

    A list is what `sidegate check` would say, asked about each of them.
    """


def _paging(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how much of a list is told, and pass them to the command as `pages`."""

    @wraps(command)
    def with_pages(*, limit: int | None, page_token: str, to_the_end: bool, **others: Any) -> None:
        size = limit or (_WHOLE if to_the_end else _PAGE)
        command(pages=_Pages(size, page_token, to_the_end), **others)

    limited = click.option(
        "--limit",
        type=click.IntRange(1, _WHOLE),
        help=f"How many on a page: {_PAGE} unless told, {_WHOLE} with --all.",
    )
    placed = click.option("--page", "page_token", default="", metavar="TOKEN", help="The page that an answer named.")
    whole = click.option("--all", "to_the_end", is_flag=True, help="Follow the pages to the end.")
    return limited(placed(whole(with_pages)))


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
@_paging
@questioning(timeout=_TIMEOUT)
def resources(given: Given, pages: _Pages, *, subject: str, action: str, type_: str) -> None:
    """List the resources of TYPE on which SUBJECT may do ACTION.

    SUBJECT is a member's ID, TYPE a type alone, such as document. Those that are registered are found.
    """
    if ":" in type_:
        raise click.UsageError(f"`{type_}` is not right: expected a type alone, such as `{type_.partition(':')[0]}`")
    question = given.question(subject=subject_of(subject), action=action, resource=Resource(type_, ""))
    listed = asyncio.run(_read("ListResources", pb.ListResourcesRequest(**_said(question, pages)), pages, given.target))
    _tell(listed, given, "resource", [(ref(type_, one.id), one.rule) for one in listed.answer.resources])


@click.command(
    cls=Command,
    examples=(
        ("Who may view the contract", "sidegate list subjects --tenant demo view document:contract"),
        ("Who may register templates", "sidegate list subjects --tenant demo register template"),
    ),
)
@click.argument("action")
@click.argument("resource")
@_paging
@questioning(timeout=_TIMEOUT)
def subjects(given: Given, pages: _Pages, *, action: str, resource: str) -> None:
    """List the members that may do ACTION on RESOURCE.

    RESOURCE is type:id; a type alone, or type:*, asks about the type as a whole.
    """
    question = given.question(subject=Subject("", ""), action=action, resource=resource_of(resource))
    listed = asyncio.run(_read("ListSubjects", pb.ListSubjectsRequest(**_said(question, pages)), pages, given.target))
    _tell(listed, given, "member", [(one.id, one.rule) for one in listed.answer.subjects])


@click.command(
    cls=Command,
    examples=(
        ("Which buttons to show uma", "sidegate list actions --tenant demo uma document:contract"),
        ("What uma may do with templates as a whole", "sidegate list actions --tenant demo uma template"),
    ),
)
@click.argument("subject")
@click.argument("resource")
@_paging
@questioning(timeout=_TIMEOUT)
def actions(given: Given, pages: _Pages, *, subject: str, resource: str) -> None:
    """List the actions that SUBJECT may do on RESOURCE.

    SUBJECT is a member's ID. RESOURCE is type:id; a type alone, or type:*, asks about the type as a whole.
    """
    question = given.question(subject=subject_of(subject), resource=resource_of(resource))
    listed = asyncio.run(_read("ListActions", pb.ListActionsRequest(**_said(question, pages)), pages, given.target))
    _tell(listed, given, "action", [(one.action, one.rule) for one in listed.answer.actions])


def _said(question: pb.CheckRequest, pages: _Pages) -> dict[str, Any]:
    """Return what a question says, by the names that its fields have in every question, with the page that is asked."""
    said = {field.name: value for field, value in question.ListFields()}
    return {**said, "page_size": pages.size, "page_token": pages.token}


async def _read(method: str, request: Any, pages: _Pages, target: Target) -> _Listed:
    """Return the page that is asked for, or all to the end as one.

    Raises:
        Failure: the server refused, could not decide, or did not answer; nothing of the list is told then.
    """
    async with connected(target) as channel:
        answers = paged(getattr(AuthorizationServiceStub(channel), method), request, target)
        whole = await anext(answers)
        revisions = {whole.outcome.revision}
        while pages.to_the_end and whole.next_page_token:
            page = await anext(answers)
            revisions.add(page.outcome.revision)
            for last in ("next_page_token", "outcome"):
                whole.ClearField(last)
            whole.MergeFrom(page)
    return _Listed(whole, len(revisions))


def _tell(listed: _Listed, given: Given, what: str, rows: list[tuple[str, str]]) -> None:
    answer = listed.answer
    if given.as_json:
        print_json(MessageToDict(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
        return
    if rows:
        print_table(console(), (what, "rule"), rows)
    for line in _remarks(listed, found=bool(rows)):
        click.echo(line)


def _remarks(listed: _Listed, *, found: bool) -> Iterator[str]:
    """Yield what is to be said of a list besides what was found."""
    outcome, token = listed.answer.outcome, listed.answer.next_page_token
    gap = "\n" if found else ""
    if outcome.reason:
        rule = f", {outcome.rule}" if outcome.rule else ""
        yield f"Nothing: {reason_told(outcome.reason)}{rule}"
    elif not found and not token:
        yield "Nothing found"
    if listed.revisions > 1:
        yield f"{gap}The facts changed meanwhile: these pages are of {listed.revisions} revisions."
    if token and outcome.partial:
        yield f"{gap}The page ends early: {_ENDED_EARLY.get(outcome.partial, 'the server ended it')}."
        yield f"There may be more: --page {token}"
    elif token:
        yield f"{gap}There are more: --page {token}"
