"""How client commands call a server: one channel, one call, and errors in clear words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status

from sidegate.cli.shell.failures import BAD_INPUT, DENIED, UNDECIDED, Failure
from sidegate.errors import FactsError, StartError
from sidegate.server.grpc.listen_addresses import parse_address

Answer = TypeVar("Answer")

DEFAULT_ADDRESS = "127.0.0.1:8282"
_EXIT_CODES = {
    StatusCode.INVALID_ARGUMENT: BAD_INPUT,
    StatusCode.NOT_FOUND: BAD_INPUT,
    StatusCode.ALREADY_EXISTS: BAD_INPUT,
    StatusCode.PERMISSION_DENIED: DENIED,
}
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),  # a sidecar is beside its caller, without a proxy between them
    ("grpc.max_receive_message_length", -1),  # an export is as large as the facts are
)


class _Address(click.ParamType[str]):
    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(parse_address(value))
        except StartError:
            self.fail(f"`{value}` is not right: expected `host:port`, or `unix:/path` from the root", param, ctx)


@dataclass(frozen=True, slots=True)
class Target:
    """Which server to call, and how many seconds to wait for each answer."""

    address: str
    timeout: float


def target_options(timeout: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add `--address` and `--timeout`, and pass both to the command as `target`."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_target(address: str, timeout: float, **others: Any) -> None:
            command(target=Target(address, timeout), **others)

        return _address_option(_timeout_option(timeout)(with_target))

    return decorated


def _address_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--address",
        type=_Address(),
        default=DEFAULT_ADDRESS,
        envvar="SIDEGATE_ADDRESS",
        show_default=True,
        show_envvar=True,
        help="The server: host:port or unix:/path.",
    )(command)


def _timeout_option(seconds: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=seconds,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for the answer.",
    )


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[aio.Channel]:
    """Open a channel to the server, and close it at the end."""
    async with aio.insecure_channel(target.address, options=_OPTIONS) as channel:
        yield channel


async def answer_of(call: Awaitable[Answer], target: Target) -> Answer:
    """Return the answer to a call.

    Raises:
        Failure: the server refused, could not decide, or did not answer.
    """
    try:
        return await call
    except aio.AioRpcError as error:
        raise _failure(error, target) from error


async def pages_of(call: Callable[..., Awaitable[Any]], request: Any, target: Target) -> AsyncIterator[Any]:
    """Yield the pages of a list, to the last one.

    Raises:
        Failure: the server refused, could not decide, or did not answer.
    """
    while True:
        page = await answer_of(call(request, timeout=target.timeout), target)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _violations(status: status_pb2.Status, reason: str) -> Iterator[str]:
    """Yield each field violation of a status; the message of a fault in a file names file, line and key itself."""
    for detail in status.details:
        violations = error_details_pb2.BadRequest()
        if detail.Unpack(violations):
            for violation in violations.field_violations:
                field = "" if reason == FactsError.reason else violation.field
                yield ": ".join(part for part in (field, violation.description) if part)


def _failure(error: aio.AioRpcError, target: Target) -> Failure:
    status = _status(error)
    if status is None:
        return Failure(_transport_message(error, target), exit_code=UNDECIDED)
    code = _EXIT_CODES.get(error.code(), UNDECIDED)
    info = _info(status)
    reason = info.reason
    lines = tuple(_violations(status, reason))
    message = "the server refuses the request" if lines else status.message
    code_and_rule = ", ".join(part for part in (reason, info.metadata.get("rule", "")) if part)
    return Failure(f"{message} ({code_and_rule})" if code_and_rule else message, exit_code=code, details=lines)


def _status(error: aio.AioRpcError) -> status_pb2.Status | None:
    """Return the status that the server itself composed; None where the transport failed."""
    try:
        return rpc_status.from_call(error)
    except ValueError:
        return None


def _info(status: status_pb2.Status) -> Any:
    info = error_details_pb2.ErrorInfo()
    any(detail.Unpack(info) for detail in status.details)
    return info


def _transport_message(error: aio.AioRpcError, target: Target) -> str:
    address = target.address
    match error.code():
        case StatusCode.UNAVAILABLE if "connect" not in (error.details() or "").lower():
            return f"`{address}` ended the connection before it answered"
        case StatusCode.UNAVAILABLE:
            return f"no server answers at `{address}`; start one with `sidegate serve`, or name it with --address"
        case StatusCode.DEADLINE_EXCEEDED:
            return f"no answer from `{address}` within {target.timeout:g} s"
        case StatusCode.RESOURCE_EXHAUSTED if "larger than max" in (error.details() or ""):
            return f"the request is larger than `{address}` takes: send it in parts"
        case StatusCode.UNIMPLEMENTED:
            return f"the server at `{address}` does not know this call: {error.details()}"
        case code:
            return f"`{address}` answered {code.name}: {error.details()}"
