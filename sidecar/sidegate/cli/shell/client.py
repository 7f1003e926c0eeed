"""How client commands call a server: one channel, one call, and errors in clear words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status

from sidegate.cli.shell.completion import complete_file
from sidegate.cli.shell.failures import BAD_INPUT, DENIED, UNDECIDED, Failure
from sidegate.client.bearer import VARIABLE, read_bearer
from sidegate.client.channel import ClientTls, open_channel
from sidegate.errors import FactsError, StartError
from sidegate.server.grpc.listen_addresses import parse_address

Answer = TypeVar("Answer")

DEFAULT_ADDRESS = "127.0.0.1:8282"
_TLS_FILES = {
    "tls_ca": "The authorities of the server's certificate, as PEM: call over TLS.",
    "tls_certificate": "The certificate to show to the server, as PEM.",
    "tls_key": "The private key of --tls-certificate, as PEM.",
}
_EXIT_CODES = {
    StatusCode.INVALID_ARGUMENT: BAD_INPUT,
    StatusCode.NOT_FOUND: BAD_INPUT,
    StatusCode.ALREADY_EXISTS: BAD_INPUT,
    StatusCode.PERMISSION_DENIED: DENIED,
    StatusCode.UNAUTHENTICATED: BAD_INPUT,
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
    """Which server to call, and how many seconds to wait for each answer.

    `tls` are the files of TLS, None without it; `token` is the key or token to show, "" where there is none.
    """

    address: str
    timeout: float
    tls: ClientTls | None = None
    token: str = field(default="", repr=False)


def target_options(timeout: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add `--address`, `--timeout`, `--token-file` and the files of TLS, and pass them to the command as `target`."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_target(address: str, timeout: float, **others: Any) -> None:
            tls = _tls(*(others.pop(name) for name in _TLS_FILES))
            token = read_bearer(others.pop("token_file"))
            command(target=Target(address, timeout, tls, token), **others)

        optioned = _token_option(_timeout_option(timeout)(with_target))
        for name, text in reversed(_TLS_FILES.items()):
            optioned = _file_option(name, text)(optioned)
        return _address_option(optioned)

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


def _file_option(name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        f"--{name.replace('_', '-')}",
        name,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar=f"SIDEGATE_CLIENT_{name.upper()}",
        show_envvar=True,
        metavar="FILE",
        shell_complete=complete_file,
        help=text,
    )


def _token_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="SIDEGATE_TOKEN_FILE",
        show_envvar=True,
        metavar="FILE",
        shell_complete=complete_file,
        help=f"A file with the key or token to show to the server; else the one in {VARIABLE}.",
    )(command)


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ClientTls | None:
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-certificate and --tls-key are a pair: expected both or neither")
    if ca is None and certificate is not None:
        raise click.UsageError("--tls-certificate has no effect without TLS: expected --tls-ca with it")
    return None if ca is None else ClientTls(ca, certificate, key)


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
    async with open_channel(target.address, target.tls, token=target.token, options=_OPTIONS) as channel:
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
    text = f"{message} ({code_and_rule})" if code_and_rule else message
    return Failure(text, exit_code=code, details=lines, hint=_credentials_hint(error, target))


def _credentials_hint(error: aio.AioRpcError, target: Target) -> str:
    """Return how to show credentials, where they are missing."""
    shown = target.token or (target.tls is not None and target.tls.certificate is not None)
    if error.code() is not StatusCode.UNAUTHENTICATED or shown:
        return ""
    return "show a key or token with --token-file, or a certificate with --tls-certificate"


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
        case StatusCode.UNAVAILABLE if "handshake failed" in (error.details() or "").lower():
            return (
                f"no TLS with `{address}`: expected a server whose certificate is for this name and from an authority "
                "in --tls-ca"
            )
        case StatusCode.UNAVAILABLE if "socket closed" in (error.details() or "").lower():
            return (
                f"`{address}` closes the connection: a server with TLS needs --tls-ca, and --tls-certificate where it "
                "asks for certificates"
            )
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
