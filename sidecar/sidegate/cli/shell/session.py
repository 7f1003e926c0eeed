"""What commands about one tenant share: who acts, in which tenant, and one call to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode, aio

from sidegate.cli.shell.client import Target, answer_of, connected, target_options
from sidegate.cli.shell.console import print_json
from sidegate.cli.shell.failures import Failure
from sidegate.cli.shell.hints import tenant_hint
from sidegate.cli.shell.output import echo
from sidegate.server.wire.names import name_of

_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Session:
    """Who acts and in which tenant, on which server, and how the answer is printed."""

    target: Target
    tenant: str
    actor: str
    request_id: str
    as_json: bool

    @property
    def parent(self) -> str:
        """The tenant's name on the wire."""
        return name_of(self.tenant)

    def name(self, collection: str, id_: str) -> str:
        """Return the name on the wire of a member, group, role or resource in the tenant."""
        return name_of(self.tenant, collection, id_)

    def call(self, stub: Any, method: str, request: Any) -> Any:
        """Return what the server answers.

        Raises:
            Failure: it refused, or did not answer.
        """
        return asyncio.run(self._call(stub, method, request))

    async def _call(self, stub: Any, method: str, request: Any) -> Any:
        async with connected(self.target) as channel:
            call = getattr(stub(channel), method)
            try:
                return await answer_of(call(request, timeout=self.target.timeout), self.target)
            except Failure as failure:
                raise await self._with_hint(failure, channel) from failure.__cause__

    async def _with_hint(self, failure: Failure, channel: aio.Channel) -> Failure:
        """Return the failure with the known tenant that an unknown one probably meant, for the platform only."""
        cause = failure.__cause__
        unknown = isinstance(cause, aio.AioRpcError) and cause.code() is StatusCode.NOT_FOUND
        if not unknown or self.actor or f"no tenant `{self.tenant}`" not in failure.message:
            return failure
        return failure.with_hint(await tenant_hint(channel, self.tenant, self.target))

    def show(self, answer: Any, *lines: str) -> None:
        """Print an answer: as JSON where that is asked for, else as lines."""
        if self.as_json:
            print_json(MessageToDict(answer, preserving_proto_field_name=True))
            return
        for line in lines:
            echo(line)


def write_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command that writes, and pass them to it as `session`."""

    @wraps(command)
    def with_session(target: Target, **options: Any) -> None:
        names = ("tenant", "actor", "request_id", "as_json")
        command(session=Session(target, *(options.pop(name) for name in names)), **options)

    once = click.option("--request-id", default="", metavar="ID", help="Do the same request only once.")
    return _tenant_options(once(with_session))


def read_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command that reads, and pass them to it as `session`."""

    @wraps(command)
    def with_session(target: Target, *, tenant: str, actor: str, as_json: bool, **options: Any) -> None:
        command(session=Session(target, tenant, actor, "", as_json), **options)

    return _tenant_options(with_session)


def cross_tenant_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command that reads across tenants, and pass them to it as `session`."""

    @wraps(command)
    def with_session(target: Target, *, as_json: bool, **options: Any) -> None:
        command(session=Session(target, "", "", "", as_json), **options)

    return _answer_options(with_session)


def actor_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option of who acts, which every command about a tenant has."""
    return click.option("--actor", default="", help="Who acts: member:<id>.  [default: platform]")(command)


def page_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a list's page, and pass them to the command as `limit` and `page_token`."""
    limit = click.option(
        "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many on a page."
    )
    page = click.option("--page", "page_token", default="", metavar="TOKEN", help="The page that an answer named.")
    return limit(page(command))


def _tenant_options(command: Callable[..., None]) -> Callable[..., None]:
    in_tenant = click.option("--tenant", required=True, envvar="SIDEGATE_TENANT", show_envvar=True, help="The tenant.")
    return in_tenant(_answer_options(actor_option(command)))


def _answer_options(command: Callable[..., None]) -> Callable[..., None]:
    shown = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
    return shown(target_options(timeout=_TIMEOUT)(command))
