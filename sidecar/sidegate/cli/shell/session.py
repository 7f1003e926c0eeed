"""What all commands that write share: who acts, in which tenant, and one call to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click
from google.protobuf.json_format import MessageToDict

from sidegate.cli.shell.client import Target, answered, connected, target_options
from sidegate.cli.shell.console import print_json

_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts and in which tenant, on which server, and how to tell the answer."""

    target: Target
    tenant: str
    actor: str
    request_id: str
    as_json: bool

    @property
    def parent(self) -> str:
        """The tenant's name on the wire."""
        return f"tenants/{encoded(self.tenant)}"

    def name(self, collection: str, id_: str) -> str:
        """Return the name of a thing in the tenant."""
        return f"{self.parent}/{collection}/{encoded(id_)}"

    def call(self, stub: Any, method: str, request: Any) -> Any:
        """Return what the server answers.

        Raises:
            Failure: it refused, or did not answer.
        """
        return asyncio.run(self._call(stub, method, request))

    async def _call(self, stub: Any, method: str, request: Any) -> Any:
        async with connected(self.target) as channel:
            call = getattr(stub(channel), method)
            return await answered(call(request, timeout=self.target.timeout), self.target)

    def tell(self, answer: Any, *lines: str) -> None:
        """Print an answer: as JSON where that is asked for, else as lines."""
        if self.as_json:
            print_json(MessageToDict(answer, preserving_proto_field_name=True))
            return
        for line in lines:
            click.echo(line)


def encoded(id_: str) -> str:
    """Return an ID as it stands in a name."""
    return id_.replace("%", "%25").replace("/", "%2F")


def acting(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command that writes, and pass them to it as `by`."""

    @wraps(command)
    def with_acting(target: Target, **options: Any) -> None:
        names = ("tenant", "actor", "request_id", "as_json")
        command(by=Acting(target, *(options.pop(name) for name in names)), **options)

    written = click.option("--request-id", default="", metavar="ID", help="Do the same request only once.")(with_acting)
    return _asking(written)


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command that reads, and pass them to it as `by`."""

    @wraps(command)
    def with_acting(target: Target, *, tenant: str, actor: str, as_json: bool, **options: Any) -> None:
        command(by=Acting(target, tenant, actor, "", as_json), **options)

    return _asking(with_acting)


def surveying(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command that reads across tenants, and pass them to it as `by`."""

    @wraps(command)
    def with_acting(target: Target, *, as_json: bool, **options: Any) -> None:
        command(by=Acting(target, "", "", "", as_json), **options)

    return _answering(with_acting)


def actor_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option of who acts, which every command about a tenant has."""
    return click.option("--actor", default="", help="Who acts: member:<id>.  [default: platform]")(command)


def _asking(command: Callable[..., None]) -> Callable[..., None]:
    in_tenant = click.option("--tenant", required=True, envvar="SIDEGATE_TENANT", show_envvar=True, help="The tenant.")
    return in_tenant(_answering(actor_option(command)))


def _answering(command: Callable[..., None]) -> Callable[..., None]:
    shown = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
    return shown(target_options(timeout=_TIMEOUT)(command))


def decoded(name: str) -> str:
    """Return the ID at the end of a name."""
    return name.rpartition("/")[2].replace("%2F", "/").replace("%25", "%")


def reference(holder: str) -> str:
    """Return the reference of a holder, who is a member where nothing else is said."""
    return holder if holder.startswith(("member:", "group:")) else f"member:{holder}"
