"""`sidegate healthcheck`: one line and an exit code, for probes."""

from __future__ import annotations

import asyncio
import sys

import click
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sidegate.cli.shell.client import Target, answer_of, connected, target_options
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.failures import Failure

NOT_SERVING = 1
EXAMPLES = (
    ("Is the server on the default address up", "sidegate healthcheck"),
    ("In a container's probe, on a Unix socket", "sidegate healthcheck --address unix:/run/sidegate.sock --timeout 1"),
    ("Ask for one service", "sidegate healthcheck --service sidegate.authz.v1.AuthorizationService"),
)


@click.command(cls=Command, examples=EXAMPLES)
@click.option("--service", default="", metavar="NAME", help="A gRPC service; the whole server without it.")
@target_options(timeout=2.0)
def healthcheck(target: Target, *, service: str) -> None:
    """Report whether a server is serving, for probes.

    The state is printed in one line; the exit code is 0 when it is serving, 1 otherwise.
    """
    try:
        status = asyncio.run(_status(service, target))
    except Failure as failure:
        raise Failure(failure.message, exit_code=NOT_SERVING) from failure
    click.echo(status)
    if status != "SERVING":
        sys.exit(NOT_SERVING)


async def _status(service: str, target: Target) -> str:
    async with connected(target) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        call = health_pb2_grpc.HealthStub(channel).Check(request, timeout=target.timeout)
        response: health_pb2.HealthCheckResponse = await answer_of(call, target)
    name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
    return name
