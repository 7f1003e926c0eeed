"""The key or token of a client: read from a file or the environment, and sent with each call."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from grpc import aio

from sidegate.errors import Fault, FaultyFiles

VARIABLE: Final = "SIDEGATE_TOKEN"
_MAX_LENGTH: Final = 16 * 1024
_EXPECTED: Final = "expected a key or token: one line without blanks"


def read_bearer(file: Path | None) -> str:
    """Return the key or token in a file, else that of the environment; "" where there is none.

    Raises:
        FaultyFiles: it can't be read, or is none.
    """
    if file is None:
        source, found = f"environment {VARIABLE}", os.environ.get(VARIABLE, "").strip()
    else:
        source, found = str(file), _text(file).strip()
    printable = all("!" <= character <= "~" for character in found)
    if len(found) > _MAX_LENGTH or not printable or (file is not None and not found):
        raise FaultyFiles(Fault(source, 0, "", _EXPECTED))
    return found


def bearer_interceptors(token: str) -> tuple[aio.ClientInterceptor, ...]:
    """Return what sends a key or token with each call of a channel; nothing for ""."""
    return (_UnaryCalls(token), _Streams(token), _Exchanges(token)) if token else ()


class _Bearer:
    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def _with_header(self, details: aio.ClientCallDetails) -> aio.ClientCallDetails:
        metadata = aio.Metadata(*(details.metadata or ()), self._header)
        return aio.ClientCallDetails(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
        )


class _UnaryCalls(_Bearer, aio.UnaryUnaryClientInterceptor):  # type: ignore[misc] # the library is untyped
    async def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """Continue with the header."""
        return await continuation(self._with_header(details), request)


class _Streams(_Bearer, aio.UnaryStreamClientInterceptor):  # type: ignore[misc] # the library is untyped
    async def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """Continue with the header."""
        return await continuation(self._with_header(details), request)


class _Exchanges(_Bearer, aio.StreamStreamClientInterceptor):  # type: ignore[misc] # the library is untyped
    async def intercept_stream_stream(self, continuation: Callable[..., Any], details: Any, requests: Any) -> Any:
        """Continue with the header."""
        return await continuation(self._with_header(details), requests)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except OSError as error:
        raise FaultyFiles(Fault(str(file), 0, "", f"can't be read: {(error.strerror or '').lower()}")) from error
    except UnicodeDecodeError:
        raise FaultyFiles(Fault(str(file), 0, "", _EXPECTED)) from None
