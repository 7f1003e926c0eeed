"""Hints on standard error: the known name that was probably meant, and how a value is quoted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from grpc import aio

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1 import resource_pb2, tenant_pb2
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.authz.v1.resource_pb2_grpc import ResourceServiceStub
from sidegate.authz.v1.tenant_pb2_grpc import TenantServiceStub
from sidegate.cli.shell.client import Target, answer_of
from sidegate.cli.shell.failures import Failure
from sidegate.cli.shell.names import id_of
from sidegate.documents.suggestions import near, nearest
from sidegate.model.properties import Json, Properties
from sidegate.server.wire.names import name_of

_TIMEOUT: Final = 2.0
"""Seconds for the call that finds a hint: it must not delay the answer much."""
_PAGE: Final = 1000


async def name_hint(
    channel: aio.Channel, question: pb.CheckRequest, target: Target, *, reason: str, digest: str
) -> str:
    """Return the name that a question denied for `reason` probably meant, "" where there is nothing to suggest.

    Types and actions come from the pack that decided, where a pack of this `digest` is on this machine, else from
    what the server lists. Tenants are those of `tenant list`.
    """
    short = replace(target, timeout=min(target.timeout, _TIMEOUT))
    try:
        match reason:
            case "tenant_unknown":
                return await _tenant_hint(channel, question.tenant, short)
            case "unknown_resource_type":
                return await _type_hint(channel, question, short, digest)
            case "unknown_action":
                return await _action_hint(channel, question, short, digest)
            case _:
                return ""
    except Failure:
        return ""


async def tenant_hint(channel: aio.Channel, tenant: str, target: Target) -> str:
    """Return the known tenant that an unknown one probably meant, "" where there is none near."""
    return await name_hint(channel, pb.CheckRequest(tenant=tenant), target, reason="tenant_unknown", digest="")


async def _tenant_hint(channel: aio.Channel, tenant: str, target: Target) -> str:
    request = tenant_pb2.ListTenantsRequest(page_size=_PAGE)
    answer = await answer_of(TenantServiceStub(channel).ListTenants(request, timeout=target.timeout), target)
    return near(tenant, [id_of(known.name) for known in answer.tenants], "")


async def _type_hint(channel: aio.Channel, question: pb.CheckRequest, target: Target, digest: str) -> str:
    unknown = question.resource.type
    if declared := _declared(digest):
        return nearest(unknown, declared)
    request = resource_pb2.ListRegisteredResourcesRequest(parent=name_of(question.tenant), page_size=_PAGE)
    call = ResourceServiceStub(channel).ListRegisteredResources(request, timeout=target.timeout)
    answer = await answer_of(call, target)
    return near(unknown, {id_of(one.name).partition(":")[0] for one in answer.resources}, "")


async def _action_hint(channel: aio.Channel, question: pb.CheckRequest, target: Target, digest: str) -> str:
    unknown = question.action
    if actions := _declared(digest).get(question.resource.type):
        return nearest(unknown, actions)
    shared = {field: getattr(question, field) for field in ("tenant", "subject", "resource", "context")}
    request = pb.ListActionsRequest(page_size=_PAGE, **shared)
    answer = await answer_of(AuthorizationServiceStub(channel).ListActions(request, timeout=target.timeout), target)
    return near(unknown, [one.action for one in answer.actions], "")


def _declared(digest: str) -> dict[str, Sequence[str]]:
    """Return the actions by type of the pack on this machine that has a digest; empty where there is none."""
    from sidegate.cli.shell.local_packs import pack_with_digest  # noqa: PLC0415 - only mistakes pay for its imports

    pack = pack_with_digest(digest)
    return {name: tuple(type_.actions) for name, type_ in pack.schema.resources.items()} if pack else {}


def quoting_hint(violations: Iterable[str], claims: Iterable[tuple[str, str, Properties]]) -> str:
    """Return how to write the first value that was refused because it was read as JSON and is declared as text.

    `violations` are lines such as `context.ip: ... the pack declares it as string`; each of `claims` is a flag, the
    field that it fills, and the values.
    """
    refused = [line for line in violations if line.endswith("as string")]
    for flag, field, values in claims:
        for name, value in values.items():
            if any(line.startswith(f"{field}.{name}: ") for line in refused):
                return f"the value was read as JSON; to send it as text, quote it: {flag} {_quoted(name, value)}"
    return ""


def _quoted(name: str, value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return shlex.quote(f"{name}={json.dumps(text, ensure_ascii=False)}")
