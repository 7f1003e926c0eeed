"""Sends a facts document to a server: in one message, or in chunks where it is large."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.cli.shell.client import Target, answer_of, connected

_ONE_MESSAGE: Final = 1024 * 1024
_CHUNK: Final = 1024 * 1024


async def send(document: bytes, options: pb.ImportFactsOptions, target: Target) -> pb.ApplyFactsResponse:
    """Return what a document changed, or would change.

    Raises:
        Failure: the server refused, or did not answer.
    """
    async with connected(target) as channel:
        stub = FactsServiceStub(channel)
        if len(document) > _ONE_MESSAGE:
            return await answer_of(_import(stub, document, options, target), target)
        request = pb.ApplyFactsRequest(
            document=document.decode(),
            validate_only=options.validate_only,
            source=options.source,
            actor=options.actor,
        )
        response: pb.ApplyFactsResponse = await answer_of(stub.ApplyFacts(request, timeout=target.timeout), target)
        return response


async def _import(stub: Any, document: bytes, options: pb.ImportFactsOptions, target: Target) -> pb.ApplyFactsResponse:
    result = pb.ApplyFactsResponse()
    with _progress() as progress:
        task = progress.add_task("sending", total=len(document))

        async def messages() -> AsyncIterator[pb.ImportFactsRequest]:
            yield pb.ImportFactsRequest(options=options)
            for start in range(0, len(document), _CHUNK):
                chunk = document[start : start + _CHUNK]
                yield pb.ImportFactsRequest(chunk=chunk)
                progress.advance(task, len(chunk))

        async for response in stub.ImportFacts(messages(), timeout=target.timeout):
            if response.WhichOneof("part") == "progress":
                progress.update(task, description=_stage(response.progress), total=None)
            elif result.tenants and result.tenants[-1].tenant == response.tenant.tenant:
                result.tenants[-1].changes.extend(response.tenant.changes)
            else:
                result.tenants.append(response.tenant)
    return result


def _stage(progress: pb.ImportFactsProgress) -> str:
    return f"{progress.stage} {progress.changes:,} changes" if progress.changes else progress.stage


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show progress on a terminal while a document is sent and handled; in a pipe nothing is shown."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    target = Console(stderr=True)
    with Progress(*columns, console=target, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield progress
